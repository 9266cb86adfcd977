"""A small run as it would have been recorded, without a mistake: for planting some."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from faults.evidence import Evidence, Ledger, Letter, Placed, Written
from schemas.base import BaseEvent
from schemas.bots import PAGE_INBOX_APP
from schemas.commands import SendMessage
from schemas.conversations import (
    CustomerMessage,
    Echo,
    MessageRefused,
    OperatorReplies,
    SessionExpired,
    TakeoverRequested,
    ThreadControl,
    TurnCompleted,
)
from schemas.handover import Cause, RequestedBy
from schemas.messages import CustomerInput, OutMessage, Person, Speaker
from schemas.outcomes import (
    CommandAccepted,
    CustomerSaid,
    DeliveryChanged,
    Outcome,
    StaffSaid,
    TakeoverAnswered,
    TakeoverEnded,
    TakeoverStarted,
)
from schemas.sessions import Session
from schemas.turns import TurnAsked, TurnInput
from story.seed import APP, PAGE

PSID = "7733"
MIA = f"messenger:{PAGE}:{PSID}"
ANA = Person(id="op-1", name="Ana")
BEGAN = datetime(2026, 11, 24, 9, tzinfo=UTC)
EXPIRY = 60  # seconds, of the bot's settings
OVER = 130.0  # seconds: when the evidence was collected
BUTTON = "Back to bot"
ADDRESS = "ana@salon.example"
STAFF = "staff-1"


def moment(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@dataclass
class Run:
    """Everything has a time, in seconds; places in topics and in the box's record follow from it."""

    log: list[tuple[float, BaseEvent]] = field(default_factory=list)
    turns: list[tuple[float, BaseEvent]] = field(default_factory=list)
    commands: list[tuple[float, BaseEvent]] = field(default_factory=list)
    outcomes: list[tuple[float, BaseEvent]] = field(default_factory=list)
    dead_letters: list[tuple[float, BaseEvent]] = field(default_factory=list)
    box: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    ledger: dict[str, Ledger] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    def evidence(self) -> Evidence:
        entries = sorted(self.box, key=lambda each: each[0])
        return Evidence(
            log=_placed(self.log),
            turns=_placed(self.turns),
            commands=_placed(self.commands),
            outcomes=_placed(self.outcomes),
            dead_letters=_placed(self.dead_letters),
            box=[{**entry, "seq": seq} for seq, (_, entry) in enumerate(entries, start=1)],
            letters=self.letters,
            written=self.written,
            ledger=self.ledger,
            commands_taken=self.taken,
            default_expiry=EXPIRY,
            over_at=moment(OVER),
        )

    # --- what happens

    def says(self, at: float, mid: str, text: str, seq: int, **said: object) -> None:
        """A customer's message, accepted, and told to the transcript."""
        self.webhook(at, mid)
        written = CustomerInput(text=text)
        self.log.append((at, CustomerMessage(id=mid, conversation=MIA, mid=mid, input=written)))
        self.tell(at, CustomerSaid, mid, seq=seq, mid=mid, input=written, **{"addressed": "bot", **said})

    def asks(self, at: float, turn: str, text: str, epoch: int) -> None:
        """A turn."""
        asked = TurnInput(reason="message", message=CustomerInput(text=text))
        self.turns.append(
            (
                at,
                TurnAsked(
                    id=f"{turn}:1", conversation=MIA, bot="salon", turn=turn, epoch=epoch, flow="salon@1", input=asked
                ),
            )
        )

    def answers(self, at: float, turn: str, epoch: int) -> None:
        ended = TurnCompleted(
            id=f"{turn}:done", conversation=MIA, turn=turn, epoch=epoch, session=Session(flow="salon@1")
        )
        self.log.append((at, ended))

    def commands_message(self, at: float, command: str, epoch: int, *, arrives: bool = True, **said: object) -> None:
        """A message to the customer, which arrives a little later."""
        given = {"speaker": Speaker.BOT, "message": OutMessage(text=command), **said}
        message = SendMessage(id=command, conversation=MIA, epoch=epoch, seq=1, at=moment(at), **given)
        self.commands.append((at, message))
        if arrives:
            self.arrives(at + 0.1, command)

    def arrives(self, at: float, command: str, answer: str = "sent") -> None:
        entry = {
            "kind": "send",
            "page_id": PAGE,
            "psid": PSID,
            "mid": f"m_{command}",
            "metadata": f'{{"c":"{command}","p":0}}',
            "answer": answer,
        }
        self.box.append((at, entry))

    def thread(self, at: float, source: str) -> None:
        """The Page Inbox has the thread from now on."""
        entry = {"kind": "thread_control", "page_id": PAGE, "psid": PSID, "mid": None, "source": source}
        self.box.append((at, entry))

    def refused(self, at: float, command: str) -> None:
        """Because another app has the thread."""
        entry = {
            "kind": "refused",
            "page_id": PAGE,
            "psid": PSID,
            "mid": None,
            "metadata": f'{{"c":"{command}","p":0}}',
        }
        self.box.append((at, entry))
        report = MessageRefused(
            id=f"{command}:refused", conversation=MIA, command=command, epoch=0, seq=1, kind="not_owner", reason=""
        )
        self.log.append((at, report))
        self.delivery(at, command, "not_delivered")

    def delivery(self, at: float, command: str, state: str) -> None:
        self.tell(at, DeliveryChanged, f"{command}:{state}", command=command, state=state, message_seq=1)

    def webhook(self, at: float, mid: str) -> None:
        entry = {"kind": "webhook", "page_id": PAGE, "psid": PSID, "mid": mid, "event": "message"}
        self.box.append((at, {**entry, "outcome": "delivered"}))

    def tell(self, at: float, outcome: type[Outcome], of: str, *, epoch: int = 0, **fields: object) -> None:
        """What takeover tells of the event whose id is `of`."""
        common = {"conversation": MIA, "bot": "salon", "epoch": epoch, "seq": 0, "at": moment(at), "cause_id": of}
        number = len(self.outcomes)
        self.outcomes.append((at, outcome(id=f"{MIA}!{number}", **{**common, **fields})))

    # --- for planting

    def without(self, *ids: str) -> None:
        """The records of these ids never were. Of outcomes: those that tell of these events."""
        for records in (self.log, self.turns, self.commands):
            records[:] = [each for each in records if each[1].id not in ids]
        self.outcomes[:] = [each for each in self.outcomes if each[1].cause_id not in ids]

    def never_arrives(self, command: str) -> None:
        self.box[:] = [each for each in self.box if each[1]["mid"] != f"m_{command}"]


def _placed(records: list[tuple[float, BaseEvent]]) -> list[Placed]:
    """Those of one moment in the order in which they were made."""
    ordered = sorted(records, key=lambda each: each[0])
    return [Placed(0, offset, moment(at), event) for offset, (at, event) in enumerate(ordered)]


def clean() -> Run:
    """Mia is answered, asks for a person, gets Ana, whose session runs out; later staff take it and give it back."""
    run = Run()
    run.says(0, "hi", "hi #1", 1)
    run.asks(0, "T1", "hi #1", 0)
    run.answers(1, "T1", 0)
    run.commands_message(1, "c1", 0, turn="T1")

    run.says(10, "ask", "a person #2", 2)
    run.asks(10, "T2", "a person #2", 0)
    _asks_for_a_person(run)
    run.says(20, "there", "are you there #3", 3, addressed="person", epoch=1, episode=f"{MIA}/1")
    _ana_replies(run)
    run.log.append((90, SessionExpired(id="timer", conversation=MIA, epoch=1, deadline=moment(82))))
    run.tell(90, TakeoverEnded, "timer", epoch=2, episode=f"{MIA}/1", cause=Cause.EXPIRED, answered=True)

    run.says(100, "thanks", "thanks #4", 4, epoch=2)
    run.asks(100, "T3", "thanks #4", 2)
    run.answers(101, "T3", 2)
    run.commands_message(101, "c4", 2, turn="T3")

    _staff_come_and_go(run)
    return run


def _asks_for_a_person(run: Run) -> None:
    block = RequestedBy(block="ask", auto_return=30, goodbye_message="A moment.", back_to_bot_button=BUTTON)
    asked = TakeoverRequested(
        id="T2:done", conversation=MIA, turn="T2", epoch=0, session=Session(flow="salon@1"), block=block
    )
    run.log.append((11, asked))
    run.commands_message(11, "c2", 0, turn="T2")
    episode = {"epoch": 1, "episode": f"{MIA}/1", "venue": "inbox"}
    run.tell(11, TakeoverStarted, asked.id, **episode, attended=False, cause=Cause.FLOW, deadline=moment(41))
    run.written.append(Written(f"{MIA}/1", ADDRESS, "<1@salon>"))
    run.letters.append(Letter("<1@salon>", ADDRESS))


def _ana_replies(run: Run) -> None:
    reply = OperatorReplies(id="reply", conversation=MIA, operator=ANA, epoch=1, seq=3, text="Ana here.")
    run.taken["reply"] = "replies"
    run.log.append((22, reply))
    episode = {"epoch": 1, "episode": f"{MIA}/1", "venue": "inbox"}
    run.tell(
        22, TakeoverAnswered, "reply", **episode, attended=True, holder=ANA, by="reply", deadline=moment(22 + EXPIRY)
    )
    run.commands_message(22, "c3", 1, speaker=Speaker.OPERATOR, operator=ANA, episode=f"{MIA}/1", reply="reply")
    run.tell(22, CommandAccepted, "reply", epoch=1, command="reply")


def _staff_come_and_go(run: Run) -> None:
    run.log.append((110, Echo(id=STAFF, conversation=MIA, mid="m_staff", app_id=PAGE_INBOX_APP, text="Hello")))
    episode = {"epoch": 3, "episode": f"{MIA}/3", "venue": "page_inbox"}
    run.tell(110, TakeoverStarted, STAFF, **episode, attended=False, cause=Cause.PAGE_INBOX)
    run.tell(110, TakeoverAnswered, STAFF, **episode, attended=True, by="staff", deadline=moment(110 + EXPIRY))
    run.tell(110, StaffSaid, STAFF, epoch=3, mid="m_staff", text="Hello")
    back = ThreadControl(id="done", conversation=MIA, action="pass", new_owner=APP, previous_owner=PAGE_INBOX_APP)
    run.log.append((120, back))
    run.tell(120, TakeoverEnded, "done", epoch=4, episode=f"{MIA}/3", cause=Cause.PAGE_INBOX, answered=True)
    run.commands_message(120, "c5", 4)
