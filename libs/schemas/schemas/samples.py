"""One realistic record of every event type: for the reference pages, for tests, and for whoever writes a reader.

They tell of one customer, Mia, who asks the bot of a hairdresser's for a person. Ids are as the services make them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.base import PAGE_EVENTS, BaseEvent
from schemas.bots import PAGE_INBOX_APP, BotSettings, FlowPublished, MessengerChannel, TakeoverSettings
from schemas.commands import Erase, ExtendThread, PassThread, ReadProfile, ReadThread, SendMessage, Silence, TakeThread
from schemas.conversations import (
    ChannelFact,
    CommandSuppressed,
    CustomerDeleted,
    CustomerEdited,
    CustomerMessage,
    CustomerReacted,
    CustomerReferred,
    DelayElapsed,
    Echo,
    ErasureAsked,
    MessageRefused,
    MessageSent,
    Notice,
    OperatorAssigns,
    OperatorDeactivated,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
    PolicyEnforced,
    ProfileRead,
    ReadOverdue,
    Receipt,
    SessionExpired,
    TakeoverRequested,
    ThreadCheckDue,
    ThreadControl,
    ThreadExtended,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
    TurnCompleted,
    TurnFailed,
    TurnOverdue,
    TurnStarted,
)
from schemas.deadletters import DeadLetter
from schemas.flows import Choice, Flow, Keyword, LetHumanTakeover, Message, Start, Wire, jump_payload
from schemas.handover import Cause, RequestedBy, back_payload
from schemas.messages import CustomerInput, OutMessage, Person, Profile, QuickReply, Referral, Said, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    AssignmentChanged,
    BotPosition,
    CommandAccepted,
    CommandRefused,
    ConversationErased,
    CustomerKnown,
    CustomerReturned,
    CustomerSaid,
    DeliveryChanged,
    FlowNoticed,
    MessageDeleted,
    MessageEdited,
    MessageReacted,
    MessagesReceived,
    StaffSaid,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
    ThreadChanged,
)
from schemas.pages import PageCatchUp, PageOpened, PageStatus, PageUnknown, Routing, Step
from schemas.sessions import Session
from schemas.topics import BOTS, CONVERSATIONS, DEAD_LETTERS, FLOWS, MESSENGER_COMMANDS, OUTCOMES, PAGES, TURNS
from schemas.turns import TurnAsked, TurnInput

PAGE: Final = "104821769032215"
APP: Final = "640571102938471"
CONVERSATION: Final = f"messenger:{PAGE}:73105284619001"
EPISODE: Final = f"{CONVERSATION}/1"
FLOW: Final = "salon@3"
BOT: Final = "salon"

_START: Final = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
_MIA: Final = Profile(first_name="Mia", last_name="Winter")
_ANNA: Final = Person(id="op-4", name="Anna Kovács")
_BELA: Final = Person(id="op-7", name="Béla Nagy")
_GREETING: Final = OutMessage(
    text="Hi Mia! This is Mira, the assistant of the salon. How can I help?",
    quick_replies=(
        QuickReply(title="Opening hours", payload=jump_payload("hours")),
        QuickReply(title="Talk to a person", payload=jump_payload("ask-person")),
    ),
    typing=0.4,
    block="greet",
)
_ASKS: Final = CustomerInput(kind="quick_reply", text="Talk to a person", payload=jump_payload("ask-person"))
_BLOCK: Final = RequestedBy(
    block="ask-person",
    block_name="Ask for a person",
    auto_return=900,
    notify_admin=True,
    emails=("front-desk@salon-mira.example",),
    goodbye_message="One moment, Mia, I am fetching somebody.",
    back_to_bot_button="Back to the bot",
    back_to_bot_message="Mira again! What else can I do?",
)
_AT_GREETING: Final = Session(flow=FLOW, at="greet", waits_for="input")
_WITH_PERSON: Final = Session(flow=FLOW, at="ask-person", waits_for="person")


def _at(seconds: float) -> datetime:
    return _START + timedelta(seconds=seconds)


def _id(count: int) -> str:
    """An id that takeover gives: the conversation's own counter."""
    return f"{CONVERSATION}!{count}"


_LOG: Final[tuple[BaseEvent, ...]] = (
    CustomerMessage(
        id=f"messenger:{PAGE}:m_hi",
        occurred_at=_at(0),
        conversation=CONVERSATION,
        mid="m_hi",
        input=CustomerInput(text="hi"),
    ),
    CustomerEdited(
        id=f"messenger:{PAGE}:edited:2f80d1c36be94a57",
        occurred_at=_at(40),
        conversation=CONVERSATION,
        mid="m_wish",
        text="Saturday, or Sunday?",
        number=1,
    ),
    CustomerDeleted(
        id=f"messenger:{PAGE}:deleted:m_wish", occurred_at=_at(44), conversation=CONVERSATION, mid="m_wish"
    ),
    CustomerReacted(
        id=f"messenger:{PAGE}:reaction:77ad02c5e14b4f86",
        occurred_at=_at(98),
        conversation=CONVERSATION,
        mid="m_saturday",
        action="react",
        reaction="love",
        emoji="\u2764",
    ),
    CustomerReferred(
        id=f"messenger:{PAGE}:referral:b3c94e1f08d24a6b",
        occurred_at=_at(400),
        conversation=CONVERSATION,
        referral=Referral(ref="spring-offer", source="ADS", kind="OPEN_THREAD", ad_id="6045246247433"),
    ),
    Receipt(
        id=f"messenger:{PAGE}:read:0c9e6f51d2b74a38",
        occurred_at=_at(3),
        conversation=CONVERSATION,
        state="seen",
        until=_at(1.9),
    ),
    Echo(
        id=f"messenger:{PAGE}:m_greeting:echo",
        occurred_at=_at(1.9),
        conversation=CONVERSATION,
        mid="m_greeting",
        app_id=APP,
        metadata=f'{{"c":"{_id(5)}","p":0}}',
        text=_GREETING.text,
    ),
    ThreadControl(
        id=f"messenger:{PAGE}:thread:5b1f0c2e9d7a4386",
        occurred_at=_at(32.4),
        conversation=CONVERSATION,
        action="pass",
        channel="standby",
        new_owner=PAGE_INBOX_APP,
        previous_owner=APP,
    ),
    PolicyEnforced(
        id=f"messenger:{PAGE}:policy_enforcement:41d80e7c92ab4f53",
        occurred_at=_at(500),
        conversation=f"messenger:{PAGE}:{PAGE_EVENTS}",
        action="block",
        reason="The page sent promotions outside the window.",
    ),
    ChannelFact(
        id=f"messenger:{PAGE}:optin:6a1f93de508b4c72",
        occurred_at=_at(3),
        conversation=CONVERSATION,
        kind="optin",
        raw={
            "sender": {"id": "73105284619001"},
            "recipient": {"id": PAGE},
            "timestamp": 1795512603000,
            "optin": {"ref": "newsletter"},
        },
    ),
    TurnStarted(id=f"{_id(4)}:started:2", conversation=CONVERSATION, turn=_id(4), epoch=0, attempt=2),
    TurnCompleted(
        id=f"{_id(4)}:done",
        conversation=CONVERSATION,
        turn=_id(4),
        epoch=0,
        messages=(_GREETING,),
        session=_AT_GREETING,
    ),
    TakeoverRequested(
        id=f"{_id(8)}:done", conversation=CONVERSATION, turn=_id(8), epoch=0, session=_WITH_PERSON, block=_BLOCK
    ),
    TurnFailed(
        id=f"{_id(8)}:done", conversation=CONVERSATION, turn=_id(8), epoch=0, reason="flow salon@3 is not known here"
    ),
    OperatorTakesOver(
        id="operator:op-4:3f2a", occurred_at=_at(70), conversation=CONVERSATION, operator=_ANNA, epoch=1, expiry=1800
    ),
    OperatorReplies(
        id="operator:op-4:77c1",
        occurred_at=_at(95),
        conversation=CONVERSATION,
        operator=_ANNA,
        epoch=1,
        seq=6,
        text="Hi Mia, Anna here. Saturday at ten is free, shall I book it?",
        client_id="b1946ac9",
    ),
    OperatorSetsExpiry(
        id="operator:op-4:8d20", occurred_at=_at(120), conversation=CONVERSATION, operator=_ANNA, epoch=1, expiry=3600
    ),
    OperatorHandsBack(
        id="operator:op-4:a90e",
        occurred_at=_at(300),
        conversation=CONVERSATION,
        operator=_ANNA,
        epoch=1,
        note="Booked for Saturday, 10:00",
    ),
    OperatorAssigns(
        id="operator:op-4:c1f7", occurred_at=_at(200), conversation=CONVERSATION, operator=_ANNA, epoch=1, to=_BELA
    ),
    OperatorDeactivated(
        id=f"operator:op-7:deactivated:2:{CONVERSATION}",
        occurred_at=_at(260),
        conversation=CONVERSATION,
        operator=_BELA,
    ),
    ErasureAsked(id=f"erasure:{CONVERSATION}:9c41", occurred_at=_at(900), conversation=CONVERSATION, by="ops"),
    MessageSent(
        id=f"{_id(10)}:sent",
        occurred_at=_at(32.3),
        conversation=CONVERSATION,
        command=_id(10),
        epoch=0,
        seq=4,
        mid="m_goodbye",
        passed=True,
    ),
    MessageRefused(
        id=f"{_id(15)}:refused",
        occurred_at=_at(96),
        conversation=CONVERSATION,
        command=_id(15),
        epoch=1,
        seq=7,
        kind="permanent",
        code=10,
        subcode=2018278,
        reason="This message is sent outside of allowed window.",
    ),
    CommandSuppressed(
        id=f"{_id(5)}:suppressed", occurred_at=_at(2), conversation=CONVERSATION, command=_id(5), epoch=0, seq=2
    ),
    ThreadMoved(
        id=f"{_id(21)}:moved", occurred_at=_at(301), conversation=CONVERSATION, command=_id(21), epoch=2, owner=APP
    ),
    ThreadExtended(
        id=f"{_id(31)}:extended",
        occurred_at=_at(82801),
        conversation=CONVERSATION,
        command=_id(31),
        epoch=1,
        seconds=518_400,
    ),
    ThreadRefused(
        id=f"{_id(12)}:thread_refused",
        occurred_at=_at(33),
        conversation=CONVERSATION,
        command=_id(12),
        epoch=1,
        action="pass",
        code=100,
        subcode=2018144,
        reason="The target app is not a receiver of this page.",
    ),
    ThreadOwnerRead(
        id=f"{_id(17)}:owner",
        occurred_at=_at(140),
        conversation=CONVERSATION,
        command=_id(17),
        epoch=1,
        known=True,
        owner=PAGE_INBOX_APP,
    ),
    ProfileRead(
        id=f"{_id(1)}:profile",
        occurred_at=_at(0.4),
        conversation=CONVERSATION,
        command=_id(1),
        epoch=0,
        profile=_MIA,
    ),
    SessionExpired(
        id=f"{CONVERSATION}:1:expired:2026-11-24T09:45:32+00:00",
        conversation=CONVERSATION,
        epoch=1,
        deadline=_at(932),
    ),
    TurnOverdue(id=f"{_id(4)}:overdue:1", conversation=CONVERSATION, turn=_id(4), attempt=1),
    DelayElapsed(id=f"{_id(4)}:elapsed", conversation=CONVERSATION, epoch=0, turn=_id(4)),
    ReadOverdue(id=f"{_id(1)}:overdue", conversation=CONVERSATION, command=_id(1)),
    ThreadCheckDue(id=f"{CONVERSATION}:1:check:1", conversation=CONVERSATION, epoch=1, due_at=_at(82800)),
)

_TURNS: Final[tuple[BaseEvent, ...]] = (
    TurnAsked(
        id=f"{_id(8)}:1",
        conversation=CONVERSATION,
        bot=BOT,
        turn=_id(8),
        epoch=0,
        flow=FLOW,
        session=_AT_GREETING,
        input=TurnInput(reason="message", message=_ASKS),
        profile=_MIA,
    ),
)

_COMMANDS: Final[tuple[BaseEvent, ...]] = (
    SendMessage(
        id=_id(10),
        conversation=CONVERSATION,
        epoch=0,
        seq=4,
        at=_at(32),
        speaker=Speaker.BOT,
        turn=_id(8),
        message=OutMessage(
            text=_BLOCK.goodbye_message,
            quick_replies=(QuickReply(title=_BLOCK.back_to_bot_button, payload=back_payload(EPISODE)),),
            block=_BLOCK.block,
        ),
        then_pass=True,
    ),
    PassThread(id=_id(12), conversation=CONVERSATION, epoch=1, target=PAGE_INBOX_APP),
    TakeThread(id=_id(21), conversation=CONVERSATION, epoch=2),
    ExtendThread(id=_id(31), conversation=CONVERSATION, epoch=1, seconds=518_400),
    ReadThread(id=_id(17), conversation=CONVERSATION, epoch=1),
    ReadProfile(id=_id(1), conversation=CONVERSATION, epoch=0),
    Silence(id=_id(11), conversation=CONVERSATION, epoch=1),
    Erase(id=_id(28), conversation=CONVERSATION, epoch=2, seq=9, at=_at(900)),
)

_SAID: Final = (
    Said(seq=1, speaker=Speaker.CUSTOMER, name="Mia Winter", text="hi"),
    Said(seq=2, speaker=Speaker.BOT, name="Salon Mira", text=_GREETING.text),
    Said(seq=3, speaker=Speaker.CUSTOMER, name="Mia Winter", text="Talk to a person"),
    Said(seq=4, speaker=Speaker.BOT, name="Salon Mira", text=_BLOCK.goodbye_message),
)

_OUTCOMES: Final[tuple[BaseEvent, ...]] = (
    CustomerSaid(
        id=_id(7),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=0,
        seq=3,
        at=_at(31),
        cause_id=f"messenger:{PAGE}:m_ask",
        mid="m_ask",
        input=_ASKS,
        addressed="bot",
    ),
    StaffSaid(
        id=_id(18),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=8,
        at=_at(150),
        cause_id=f"messenger:{PAGE}:m_staff:echo",
        mid="m_staff",
        app_id=PAGE_INBOX_APP,
        text="Hello Mia, Saturday at ten is booked for you.",
    ),
    MessageEdited(
        id=_id(31),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=5,
        at=_at(40.1),
        cause_id=f"messenger:{PAGE}:edited:2f80d1c36be94a57",
        mid="m_wish",
        message_seq=5,
        text="Saturday, or Sunday?",
        number=1,
    ),
    MessageDeleted(
        id=_id(32),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=5,
        at=_at(44.1),
        cause_id=f"messenger:{PAGE}:deleted:m_wish",
        mid="m_wish",
        message_seq=5,
    ),
    MessageReacted(
        id=_id(33),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=7,
        at=_at(98.1),
        cause_id=f"messenger:{PAGE}:reaction:77ad02c5e14b4f86",
        mid="m_saturday",
        message_seq=7,
        reaction="love",
        emoji="\u2764",
    ),
    MessagesReceived(
        id=_id(34),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=0,
        seq=2,
        at=_at(3.1),
        cause_id=f"messenger:{PAGE}:read:0c9e6f51d2b74a38",
        state="seen",
        until=_at(1.9),
    ),
    CustomerReturned(
        id=_id(35),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=2,
        seq=9,
        at=_at(400.1),
        cause_id=f"messenger:{PAGE}:referral:b3c94e1f08d24a6b",
        referral=Referral(ref="spring-offer", source="ADS", kind="OPEN_THREAD", ad_id="6045246247433"),
    ),
    TakeoverStarted(
        id=_id(11),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=5,
        at=_at(32),
        cause_id=f"{_id(8)}:done",
        attended=False,
        venue="inbox",
        deadline=_at(932),
        cause=Cause.FLOW,
        block=_BLOCK.block,
        block_name=_BLOCK.block_name,
        emails=_BLOCK.emails,
        customer=_MIA,
        last=_SAID,
    ),
    TakeoverAnswered(
        id=_id(14),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=6,
        at=_at(95),
        cause_id="operator:op-4:77c1",
        attended=True,
        venue="inbox",
        holder=_ANNA,
        deadline=_at(95 + 3600),
        by="reply",
    ),
    TakeoverChanged(
        id=_id(16),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=7,
        at=_at(120),
        cause_id="operator:op-4:8d20",
        attended=True,
        venue="inbox",
        holder=_ANNA,
        deadline=_at(120 + 3600),
    ),
    AssignmentChanged(
        id=_id(27),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=2,
        seq=9,
        at=_at(330),
        cause_id="operator:op-7:e2a1",
        assigned=_BELA,
    ),
    TakeoverEnded(
        id=_id(20),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=2,
        episode=EPISODE,
        seq=9,
        at=_at(300),
        cause_id="operator:op-4:a90e",
        cause=Cause.OPERATOR,
        by=_ANNA,
        note="Booked for Saturday, 10:00",
        answered=True,
    ),
    AnswerSuppressed(
        id=_id(13),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=6,
        at=_at(71),
        cause_id=f"{_id(8)}:done",
        turn=_id(8),
        turn_epoch=0,
        messages=(_GREETING,),
    ),
    CommandAccepted(
        id=_id(19),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=7,
        at=_at(95),
        cause_id="operator:op-4:77c1",
        command="operator:op-4:77c1",
    ),
    CommandRefused(
        id=_id(22),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=7,
        at=_at(130),
        cause_id="operator:op-7:15bd",
        command="operator:op-7:15bd",
        code="held",
        reason=f"{_ANNA.name} has this conversation.",
        owner="human",
        holder=_ANNA,
        since=_at(95),
    ),
    DeliveryChanged(
        id=_id(23),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=5,
        at=_at(32.5),
        cause_id=f"{_id(10)}:sent",
        command=_id(10),
        state="sent",
        message_seq=4,
        mid="m_goodbye",
    ),
    ThreadChanged(
        id=_id(24),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=1,
        episode=EPISODE,
        seq=5,
        at=_at(32.5),
        cause_id=f"{_id(10)}:sent",
        owner="page_inbox",
        app_id=PAGE_INBOX_APP,
    ),
    FlowNoticed(
        id=_id(25),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=2,
        seq=11,
        at=_at(310),
        cause_id=f"{_id(26)}:done",
        turn=_id(26),
        notice=Notice(code="step_limit", block="hours", text="The flow ran in a circle and was cut after 100 steps."),
    ),
    CustomerKnown(
        id=_id(3),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=0,
        seq=1,
        at=_at(0.5),
        cause_id=f"{_id(1)}:profile",
        profile=_MIA,
    ),
    ConversationErased(
        id=_id(29),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=2,
        seq=9,
        at=_at(900),
        cause_id=f"erasure:{CONVERSATION}:9c41",
        by="ops",
    ),
    BotPosition(
        id=_id(6),
        conversation=CONVERSATION,
        bot=BOT,
        epoch=0,
        seq=2,
        at=_at(1.5),
        cause_id=f"{_id(4)}:done",
        flow=FLOW,
        block="book-email",
        waits_for="answer",
        attributes={"visit_day": "Saturday"},
    ),
)

_BOTS: Final[tuple[BaseEvent, ...]] = (
    BotSettings(
        id="bot:salon:4",
        occurred_at=_at(-3600),
        bot=BOT,
        version=4,
        name="Salon Mira",
        flow=FLOW,
        takeover=TakeoverSettings(back_to_bot_message="Mira again! What else can I do?"),
        messenger=(
            MessengerChannel(
                page_id=PAGE,
                page_name="Salon Mira",
                app_id=APP,
                app_secret="gAAAAABnQ-encrypted-app-secret",  # noqa: S106 - stands for an encrypted one
                verify_token="gAAAAABnQ-encrypted-verify-token",  # noqa: S106
                page_token="gAAAAABnQ-encrypted-page-token",  # noqa: S106
                messenger_inbox_notification=True,
            ),
        ),
    ),
)

_FLOWS: Final[tuple[BaseEvent, ...]] = (
    FlowPublished(
        id=f"flow:{FLOW}",
        occurred_at=_at(-7200),
        ref=FLOW,
        bot=BOT,
        document=Flow(
            id=BOT,
            name="Salon Mira",
            blocks={
                "start": Start(),
                "greet": Message(
                    text="Hi {{first_name|there}}! How can I help?",
                    quick_replies=(Choice(id="person", title="Talk to a person"),),
                ),
                "ask-person": LetHumanTakeover(**_BLOCK.model_dump(exclude={"block", "block_name"})),
            },
            wires=(
                Wire(block="start", to="greet"),
                Wire(block="greet", port="person", to="ask-person"),
                Wire(block="ask-person", to="greet"),
            ),
            keywords=(Keyword(words=("help", "person"), to="ask-person"),),
        ),
    ),
)

_PAGES: Final[tuple[BaseEvent, ...]] = (
    PageStatus(
        id=f"page-status:{PAGE}:routing:1795512600000",
        occurred_at=_at(0),
        page=PAGE,
        aspect="routing",
        state="failing",
        code="another_default_app",
        reason="Another app is the page's default app, so conversations do not come back to the bot by themselves.",
        steps=(
            Step(
                text="Open the page's Settings > Advanced Messaging > Conversation Routing and choose this app as Default app.",
                older="Settings > Advanced Messaging > General Settings > App Settings > Configure: Primary Receiver is this app.",
            ),
        ),
        since=_at(-600),
        checked_at=_at(0),
        check_at=_at(300),
        routing=Routing(default_app="another", older_roles=False, inbox_is_receiver=True, has_default_app=False),
    ),
    PageCatchUp(
        id=f"page-catch-up:{PAGE}:1795512600000",
        occurred_at=_at(0),
        page=PAGE,
        state="due",
        missed_since=_at(-5400),
        asked_at=_at(0),
        reason="Facebook had stopped sending webhooks.",
    ),
    PageUnknown(id=f"page-unknown:{PAGE}:1795512600000", occurred_at=_at(0), page=PAGE, apps=(APP,)),
    PageOpened(
        id=f"page-opened:{PAGE}:1795512660000",
        occurred_at=_at(60),
        page=PAGE,
        opens_at=_at(62),
        taken=(0, 3, 0, 0, 12, 0, 0, 1),
    ),
)

_DEAD_LETTERS: Final[tuple[BaseEvent, ...]] = (
    DeadLetter(
        id="dead-letter:conversations:5:8841:undecodable",
        origin_topic=CONVERSATIONS,
        origin_partition=5,
        origin_offset=8841,
        origin_key=CONVERSATION,
        reason="undecodable",
        error="conversations: input: Field required",
        value_base64="eyJ0eXBlIjoiY3VzdG9tZXIubWVzc2FnZS52MSJ9",
        headers={"ce_type": "customer.message.v1", "ce_source": "ingress", "content-type": "application/json"},
    ),
)

SAMPLES: Final[Mapping[str, Sequence[BaseEvent]]] = {
    CONVERSATIONS: _LOG,
    TURNS: _TURNS,
    MESSENGER_COMMANDS: _COMMANDS,
    OUTCOMES: _OUTCOMES,
    BOTS: _BOTS,
    FLOWS: _FLOWS,
    PAGES: _PAGES,
    DEAD_LETTERS: _DEAD_LETTERS,
}
"""Topic → one record of each of its types, in the order of the catalogue."""
