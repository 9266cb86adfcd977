"""The log of many conversations as it would be: made by folding takeover's own rules, so that turns and commands match.

Each customer writes, the bot answers, the channel reports and echoes what it sent, with receipts; one conversation in five
is asked over to a person by its flow, one in twenty is taken by an operator. No timer is left that fires soon.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.base import ConversationEvent
from schemas.bots import BotSettings, MessengerChannel, TakeoverSettings
from schemas.commands import PassThread, ReadProfile, SendMessage, TakeThread
from schemas.conversations import (
    ChannelFact,
    CustomerMessage,
    Echo,
    MessageSent,
    OperatorHandsBack,
    OperatorReplies,
    OperatorTakesOver,
    ProfileRead,
    TakeoverRequested,
    ThreadMoved,
    TurnCompleted,
)
from schemas.handover import RequestedBy
from schemas.messages import CustomerInput, OutMessage, Person, Profile, QuickReply
from schemas.sessions import Session
from schemas.turns import TurnAsked
from takeover.decide import decide, first_contact

PAGE: Final = "102938475610293"
APP: Final = "555000111222333"
ANA: Final = Person(id="ana", name="Ana Kovač")
TURN: Final = 4  # events from a customer's message to the end of its turn, at most
QUESTIONS: Final = (
    "Hi! Are you open on Sunday? I would like to come with my two kids, if that is possible.",
    "Thanks. And how much is a haircut for a child under six?",
    "ok great",
    "Could you please move my appointment from Thursday 14:30 to some time on Friday afternoon?",
)
ANSWERS: Final = (
    "We are open Monday to Saturday from 9:00 to 19:00. On Sundays we only take groups, by appointment.",
    "A haircut for children up to six years is 12 €, up to twelve years 16 €. Shall I book one for you?",
    "You are welcome! Is there anything else that I can do for you?",
)


def settings() -> BotSettings:
    """The one bot that all conversations belong to."""
    channel = MessengerChannel(
        page_id=PAGE,
        app_id=APP,
        app_secret="x",  # noqa: S106 - nobody's
        verify_token="x",  # noqa: S106 - nobody's
        page_token="x",  # noqa: S106 - nobody's
        messenger_inbox_notification=True,
    )
    return BotSettings(
        id="bot:1",
        bot="salon",
        version=1,
        name="Salon",
        flow="salon@1",
        takeover=TakeoverSettings(back_to_bot_message="The bot is back."),
        messenger=(channel,),
    )


@dataclass(frozen=True, slots=True)
class Log:
    """`effects`: how many records takeover's rules lead to, by topic."""

    events: Sequence[ConversationEvent]
    effects: Mapping[str, int]


def log(first: int, conversations: int, events: int, *, ahead: timedelta = timedelta()) -> Log:
    """`events` events of that many conversations (the same number each), mixed; customers are numbered from `first`.

    The source's time is now, or so much later: what is a week old would only be recorded.
    """
    bot = settings()
    began = datetime.now(UTC) + ahead
    each = events // conversations
    chance = random.Random(first)
    effects: Counter[str] = Counter()
    waiting = [
        iter(_Story(bot, number, each, began, chance, effects)) for number in range(first, first + conversations)
    ]
    mixed: list[ConversationEvent] = []
    while waiting:  # rounds, each in another order: a conversation's events are spread over the whole log
        chance.shuffle(waiting)
        heard = [(story, next(story, None)) for story in waiting]
        mixed += [event for _, event in heard if event is not None]
        waiting = [story for story, event in heard if event is not None]
    return Log(mixed, effects)


def first_message(number: int) -> ConversationEvent:
    """Of a customer who never wrote before."""
    conversation = f"messenger:{PAGE}:{number}"
    return CustomerMessage(
        id=f"{conversation}:w1",
        conversation=conversation,
        occurred_at=datetime.now(UTC),
        mid=f"m_{number}",
        input=CustomerInput(text=QUESTIONS[0]),
    )


def mix(events: Sequence[ConversationEvent]) -> Mapping[str, float]:
    """The share of each type, largest first."""
    counted = Counter(event.type for event in events)
    return {name: count / len(events) for name, count in counted.most_common()}


class _Story:
    """One conversation: what the world does next, and what it does about takeover's commands."""

    def __init__(
        self, bot: BotSettings, number: int, length: int, began: datetime, chance: random.Random, effects: Counter[str]
    ) -> None:
        self._bot = bot
        self._id = f"messenger:{PAGE}:{7_000_000_000_000_000 + number}"
        self._state = first_contact(self._id, bot.bot)
        self._left = length
        self._chance = chance
        self._effects = effects
        self._at = began
        self._made = 0
        self._todo: deque[Callable[[], ConversationEvent]] = deque()
        self._asks_person = number % 5 == 0
        self._is_taken = number % 20 == 1

    def __iter__(self) -> Iterator[ConversationEvent]:
        while self._left:
            event = self._next()
            self._left -= 1
            self._at += timedelta(milliseconds=1)  # as fast as the log is read: the thread's owner never settles
            decision = decide(self._state, event, self._at, self._bot)
            self._state = decision.state
            for effect in decision.effects:
                self._effects[effect.topic] += 1
                self._react(effect.event)
            yield event

    def _next(self) -> ConversationEvent:
        if self._todo:
            return self._todo.popleft()()
        if self._left < TURN:
            return self._fact("typing")
        state = self._state
        if self._is_taken and state.owner == "bot":
            self._is_taken = False
            self._todo.append(self._reply)
            return self._command(OperatorTakesOver)
        if state.episode is not None and not state.episode.attended:
            self._todo.append(self._reply)
        elif state.episode is not None and self._chance.random() < 0.5:
            return self._command(OperatorHandsBack)
        return self._event(
            CustomerMessage,
            mid=self._mid(),
            input=CustomerInput(text=self._chance.choice(QUESTIONS)),
        )

    def _react(self, event: ConversationEvent) -> None:
        match event:
            case TurnAsked():
                self._todo.appendleft(lambda: self._turn(event))  # none is left open at the end: it would be overdue
            case SendMessage():
                self._todo.extend((lambda: self._sent(event), lambda: self._echo(event)))
                if self._chance.random() < 0.25:
                    self._todo.append(lambda: self._fact("delivery"))
                self._todo.append(lambda: self._fact("read"))
            case PassThread() | TakeThread():
                owner = event.target if isinstance(event, PassThread) else APP
                self._todo.append(lambda: self._report(ThreadMoved, event, owner=owner))
            case ReadProfile():
                profile = Profile(
                    first_name="Maximiliane", last_name="Mustermann-Ott", picture_url="https://x.test/p.jpg"
                )
                self._todo.appendleft(lambda: self._report(ProfileRead, event, profile=profile))

    def _turn(self, asked: TurnAsked) -> ConversationEvent:
        fields = {"turn": asked.turn, "epoch": asked.epoch, "messages": (self._answer(),)}
        if self._asks_person and asked.may_ask_person and self._left > TURN:
            self._asks_person = False
            session = Session(flow="salon@1", at="ask-person", waits_for="person", attributes={"name": "Maxi"})
            return self._event(TakeoverRequested, **fields, session=session, block=_block())
        session = Session(flow="salon@1", at="menu", waits_for="answer", attributes={"name": "Maxi", "wish": "haircut"})
        return self._event(TurnCompleted, **fields, session=session)

    def _answer(self) -> OutMessage:
        replies = (QuickReply(title="Book a time", payload="go:book"), QuickReply(title="Prices", payload="go:prices"))
        return OutMessage(text=self._chance.choice(ANSWERS), quick_replies=replies, block="menu")

    def _reply(self) -> ConversationEvent:
        return self._command(OperatorReplies, seq=self._state.seq, text="Hello, Ana here. I will look into it for you.")

    def _sent(self, command: SendMessage) -> ConversationEvent:
        return self._report(MessageSent, command, seq=command.seq, mid=self._mid(), passed=command.then_pass)

    def _echo(self, command: SendMessage) -> ConversationEvent:
        metadata = f'{{"c":"{command.id}"}}'
        return self._event(Echo, mid=self._mid(), app_id=APP, metadata=metadata, text=command.message.text)

    def _fact(self, kind: str) -> ConversationEvent:
        moment = int(self._at.timestamp() * 1000)
        raw = {
            "sender": {"id": self._id[-16:]},
            "recipient": {"id": PAGE},
            "timestamp": moment,
            kind: {"watermark": moment},
        }
        return self._event(ChannelFact, kind=kind, raw=raw)

    def _command(self, kind: type[ConversationEvent], /, **fields: Any) -> ConversationEvent:
        return self._event(kind, operator=ANA, epoch=self._state.epoch, **fields)

    def _report(self, kind: type[ConversationEvent], command: Any, /, **fields: Any) -> ConversationEvent:
        return self._event(kind, command=command.id, epoch=command.epoch, **fields)

    def _event(self, kind: type[ConversationEvent], /, **fields: Any) -> ConversationEvent:
        self._made += 1
        return kind(id=f"{self._id}:w{self._made}", conversation=self._id, occurred_at=self._at, **fields)

    def _mid(self) -> str:
        return f"m_{self._chance.getrandbits(400):0100x}"


def _block() -> RequestedBy:
    return RequestedBy(
        block="ask-person",
        block_name="Ask a person",
        auto_return=3600,
        notify_admin=True,
        emails=("ana@example.com",),
        goodbye_message="A colleague will be with you in a moment.",
        back_to_bot_button="Back to bot",
        back_to_bot_message="I am back. What else can I do for you?",
    )
