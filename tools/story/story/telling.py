"""How the story is told: each step with its checks, and its timeline with time, owner, epoch and deadline."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from story.answers import Conversation, Entry


class Check(BaseModel):
    what: str
    ok: bool
    detail: str = ""


class Moment(BaseModel):
    """A line of the timeline."""

    at: datetime
    owner: str
    epoch: int
    deadline: datetime | None
    what: str


class Step(BaseModel):
    step: int
    title: str
    ok: bool = True
    seconds: float = 0.0
    conversation: str = ""
    owner: str = ""
    epoch: int = 0
    deadline: datetime | None = None
    checks: list[Check] = Field(default_factory=list)
    timeline: list[Moment] = Field(default_factory=list)

    def check(self, what: str, ok: bool, detail: object = "") -> None:
        self.checks.append(Check(what=what, ok=ok, detail="" if ok else str(detail)))
        self.ok = self.ok and ok


class Report(BaseModel):
    """`build/story.json`."""

    ok: bool
    seconds: float
    steps: list[Step]


class Timeline:
    """Turns transcript entries into moments; remembers who had the conversation before."""

    def __init__(self) -> None:
        self.seq = 0
        self._owner = "bot"
        self._deadline: datetime | None = None

    def take(self, entries: Sequence[Entry]) -> list[Moment]:
        return [self._moment(entry) for entry in entries if entry.seq > self.seq]

    def _moment(self, entry: Entry) -> Moment:
        self.seq = entry.seq
        content = entry.content
        if entry.kind == "takeover_started":
            self._owner = "human"
        elif entry.kind == "takeover_ended":
            self._owner, self._deadline = "bot", None
        if "deadline" in content:
            value = content["deadline"]
            self._deadline = datetime.fromisoformat(value) if isinstance(value, str) else None
        return Moment(at=entry.at, owner=self._owner, epoch=entry.epoch, deadline=self._deadline, what=described(entry))


def described(entry: Entry) -> str:
    content = entry.content
    match entry.kind:
        case "takeover_started":
            return f"--- takeover starts ({content.get('cause')})"
        case "takeover_ended":
            return f"--- takeover ends ({content.get('cause')})"
        case "answer_suppressed":
            texts = " / ".join(str(message.get("text", "")) for message in content.get("messages", ()))
            return f"    stopped, never sent: {texts}"
        case "takeover_answered":
            return f"    taken up by {content.get('by')}"
        case "customer_message" | "message" | "staff_message":
            return f"{entry.speaker}: {entry.text}"
        case other:
            return f"    {other.replace('_', ' ')}"


def header(step: Step) -> str:
    word = "ok    " if step.ok else "FAILED"
    return f"{step.step:>2}. {word} {step.title} ({step.seconds:.1f} s)"


def lines(step: Step) -> list[str]:
    told = [header(step)]
    for moment in step.timeline:
        until = f"until {moment.deadline:%H:%M:%S}" if moment.deadline else ""
        what = moment.what.replace("\n", " ")
        told.append(
            f"      {moment.at:%H:%M:%S}.{moment.at.microsecond // 1000:03}  {moment.owner:<5} epoch {moment.epoch}"
            f"  {until:<14}  {what[:90]}"
        )
    told += [f"      NOT AS TOLD: {check.what}: {check.detail}" for check in step.checks if not check.ok]
    return told


def note_state(step: Step, conversation: Conversation) -> None:
    step.conversation = conversation.id
    step.owner = conversation.owner
    step.epoch = conversation.epoch
    step.deadline = conversation.deadline
