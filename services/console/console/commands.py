"""Operators' commands: what may be asked, the record it becomes, and the courtesy of a refusal before the log is asked.

What the console sees may be behind the log: its 409 saves a person a moment, the outcome of the log is what binds.
Source of the rules: the table of `schemas.conversations`' operator commands.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator, model_validator

from console.problems import Present, Problem, Refusal, forbidden, invalid
from console.registry import Input, Output
from console.views import CommandKind, Entry, MessageContent
from schemas.conversations import (
    OperatorAssigns,
    OperatorCommand,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
)
from schemas.handover import MAX_RETURN, MIN_RETURN
from schemas.messages import ADDRESS, TEXT, Media, MediaKind, Person, Said, Speaker
from schemas.window import AnswerWith

MAX_NUMBER: Final = 2**53 - 1  # the greatest integer that every JSON reader keeps
MAX_TEXT: Final = TEXT - 1  # characters
MAX_NOTE: Final = 1000  # characters
MAX_KEY: Final = 128  # characters of an Idempotency-Key
KEY_PATTERN: Final = rf"^[A-Za-z0-9._:-]{{1,{MAX_KEY}}}$"
NEWER: Final = 5  # lines that a refusal shows

Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Length = Annotated[int, Field(ge=MIN_RETURN, le=MAX_RETURN, description="seconds")]


class CommandBody(Input):
    """`epoch`: of the conversation as the operator saw it."""

    epoch: Number


class TakeoverBody(CommandBody):
    """*Enable Human Takeover* on. `expiry`: the session's length; neither: as the bot's settings say."""

    expiry: Length | None = None
    no_expiry: bool = False
    force: bool = False

    @field_validator("no_expiry")
    @classmethod
    def _one_of_the_two(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("expiry") is not None:
            raise ValueError("a session has a length or none, not both")
        return value


class MediaBody(Input):
    """A file by its address, which the channel fetches: open to everybody, at most 25 MB."""

    kind: MediaKind
    url: Annotated[str, Field(pattern=r"^https://\S+$", max_length=ADDRESS)]


class ReplyBody(CommandBody):
    """`seq`: of the last entry that the composer showed. `force`: take over and send. Text, file or both are needed."""

    seq: Number
    media: MediaBody | None = None
    text: Annotated[str, Field(max_length=MAX_TEXT, validate_default=True)] = ""
    force: bool = False

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str, info: ValidationInfo) -> str:
        if not text.strip() and info.data.get("media") is None:
            raise ValueError("a message says something")
        return text


class RetryBody(CommandBody):
    """`seq`: of the last entry that the composer showed; which message is sent again stands in the path."""

    seq: Number


class RepeatedBody(ReplyBody):
    """A reply that says what an earlier one said. `again`: the command that is repeated."""

    again: str


class ExpiryBody(CommandBody):
    """*Session expired*: in `expiry` seconds, at `deadline`, or `never`: exactly one of the three."""

    expiry: Length | None = None
    deadline: AwareDatetime | None = None
    never: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> "ExpiryBody":
        if (self.expiry is not None) + (self.deadline is not None) + self.never != 1:
            raise ValueError("exactly one of expiry, deadline and never is needed")
        return self


class HandBackBody(CommandBody):
    """*Enable Human Takeover* off: go on in the flow, begin it anew, or close without a word."""

    mode: Literal["continue", "restart", "close"] = "continue"
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


class AssignBody(CommandBody):
    """Whose the conversation is to be. `to`: an operator's id, null: nobody's. `force`: though a colleague holds it."""

    to: Annotated[str, Field(min_length=1, max_length=MAX_KEY)] | None
    force: bool = False


class CommandSent(Output):
    """The command is in the log; `GET /commands/{command}` and the live socket tell what became of it."""

    command: str
    conversation: str
    status: Literal["pending"] = "pending"
    sent_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Seen:
    """What a courtesy check knows: the conversation in the console's view, who asks, and what is newer than the composer."""

    operator: Person
    is_admin: bool
    present: Present
    attended: bool = True
    newer: Sequence[Said] = ()
    answer_with: AnswerWith = "response"
    """How an answer of now would go out, and why where it cannot."""
    window_reason: str = ""

    @property
    def held_by_another(self) -> bool:
        """What is only assigned may be taken up by anybody."""
        holder = self.present.holder
        taken_up = self.present.owner == "human" and self.attended
        return taken_up and holder is not None and holder.id != self.operator.id


@dataclass(frozen=True, slots=True)
class Attempts:
    """A message that is to be sent again. `arrived`: what it repeats has. `repeated`: it was sent again, and that did not fail."""

    entry: Entry
    arrived: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command comes from: its id, whose it is, and when it was given."""

    id: str
    conversation: str
    operator: Person
    at: datetime


def command_id(operator: str, key: str) -> str:
    """Two operators never share one, and one operator's repeated key is the same command."""
    return f"operator:{operator}:{key}"


def body_hash(kind: CommandKind, conversation: str, body: CommandBody) -> bytes:
    """Tells a repeated request from another one under the same key."""
    return hashlib.sha256(f"{kind}\n{conversation}\n{body.model_dump_json()}".encode()).digest()


# --- records


def takes_over(origin: Origin, body: TakeoverBody) -> OperatorCommand:
    return OperatorTakesOver(
        id=origin.id,
        conversation=origin.conversation,
        operator=origin.operator,
        occurred_at=origin.at,
        epoch=body.epoch,
        expiry=body.expiry,
        no_expiry=body.no_expiry,
        force=body.force,
    )


def replies(origin: Origin, body: ReplyBody, client_id: str) -> OperatorCommand:
    return OperatorReplies(
        id=origin.id,
        conversation=origin.conversation,
        operator=origin.operator,
        occurred_at=origin.at,
        epoch=body.epoch,
        seq=body.seq,
        text=body.text,
        media=Media(kind=body.media.kind, url=body.media.url) if body.media is not None else None,
        client_id=client_id,
        force=body.force,
        again=body.again if isinstance(body, RepeatedBody) else "",
    )


def repeats(body: RetryBody, entry: Entry) -> RepeatedBody:
    """The operator's message of an entry once more. Raises `Refusal` (409) where it is none, or was forgotten."""
    content = entry.content
    if not isinstance(content, MessageContent) or entry.speaker is not Speaker.OPERATOR:
        raise not_retryable("Only an operator's message is sent again.")
    text, media = content.message.text, content.message.media
    if not text.strip() and media is None:
        raise not_retryable("What it said was forgotten.")
    file = MediaBody(kind=media.kind, url=media.url) if media is not None else None
    return RepeatedBody(epoch=body.epoch, seq=body.seq, text=text, media=file, again=content.command)


def sets_expiry(origin: Origin, body: ExpiryBody) -> OperatorCommand:
    """Raises `Refusal` for a deadline that is past or more than 30 days away."""
    if body.deadline is not None:
        wait = body.deadline - origin.at
        if wait <= timedelta():
            raise invalid("deadline", "it has passed")
        if wait > timedelta(seconds=MAX_RETURN):
            raise invalid("deadline", "it is more than 30 days away")
    return OperatorSetsExpiry(
        id=origin.id,
        conversation=origin.conversation,
        operator=origin.operator,
        occurred_at=origin.at,
        epoch=body.epoch,
        expiry=body.expiry,
        deadline=body.deadline,
    )


def hands_back(origin: Origin, body: HandBackBody) -> OperatorCommand:
    return OperatorHandsBack(
        id=origin.id,
        conversation=origin.conversation,
        operator=origin.operator,
        occurred_at=origin.at,
        epoch=body.epoch,
        mode=body.mode,
        note=body.note,
    )


def assigns(origin: Origin, body: AssignBody, to: Person | None) -> OperatorCommand:
    return OperatorAssigns(
        id=origin.id,
        conversation=origin.conversation,
        operator=origin.operator,
        occurred_at=origin.at,
        epoch=body.epoch,
        to=to,
        force=body.force,
    )


# --- courtesy


def check_takeover(body: TakeoverBody | AssignBody, seen: Seen) -> None:
    """Whom it is given to makes no difference: only an admin takes it from a colleague."""
    _check_force(body.force, seen)
    _check_epoch(body.epoch, seen)
    if seen.held_by_another and not body.force:
        raise _held(seen)


def check_reply(body: ReplyBody, seen: Seen) -> None:
    _check_force(body.force, seen)
    if seen.answer_with == "none":
        raise courtesy("window_closed", seen.window_reason, seen)
    if body.force:
        return
    if seen.present.owner == "bot":
        spoken = _lines(seen, Speaker.BOT)
        if body.epoch != seen.present.epoch and spoken:
            raise courtesy("bot_answered_since", "The bot has answered since.", seen, spoken)
        return
    if seen.held_by_another:
        raise _held(seen)
    others = _lines(seen, Speaker.OPERATOR, Speaker.STAFF)
    if others:
        raise courtesy("newer", f"{len(others)} newer: somebody else has written since.", seen, others)


def check_retry(attempts: Attempts) -> None:
    """Sent again is what was not delivered, or may not have been, and is not on its way once more."""
    state = attempts.entry.delivery.state if attempts.entry.delivery else "queued"
    if state in {"sent", "delivered", "seen"} or attempts.arrived:
        raise Refusal(409, Problem(code="delivered", title="It has arrived; it is not sent twice."))
    if state not in {"uncertain", "not_delivered"}:
        raise not_retryable("What becomes of it is not known yet." if state == "queued" else "It was stopped.")
    if attempts.repeated:
        raise not_retryable("It has been sent again already.")


def not_retryable(title: str) -> Refusal:
    return Refusal(409, Problem(code="not_retryable", title=title))


def check_expiry(body: ExpiryBody, seen: Seen) -> None:
    if seen.present.owner == "bot":
        raise courtesy("not_taken_over", "The bot has the conversation: there is no session to end.", seen)
    _check_epoch(body.epoch, seen)


def check_hand_back(body: HandBackBody, seen: Seen) -> None:
    if seen.present.owner == "bot":
        raise courtesy("already_bot", "The bot has the conversation already.", seen)
    _check_epoch(body.epoch, seen)


def courtesy(code: str, title: str, seen: Seen, newer: Sequence[Said] = ()) -> Refusal:
    problem = Problem(code=code, title=title, present=seen.present, newer=tuple(newer)[-NEWER:])
    return Refusal(409, problem)


def _check_force(force: bool, seen: Seen) -> None:
    """To take a conversation from a colleague is a right of admins."""
    if force and seen.held_by_another and not seen.is_admin:
        raise forbidden("Only an admin takes a conversation from the operator who holds it.", "force")


def _check_epoch(epoch: int, seen: Seen) -> None:
    if epoch != seen.present.epoch:
        problem = Problem(
            code="changed",
            title="The conversation has changed hands since you looked.",
            detail=f"It is in epoch {seen.present.epoch}.",
            field="epoch",
            present=seen.present,
        )
        raise Refusal(409, problem)


def _held(seen: Seen) -> Refusal:
    holder = seen.present.holder
    return courtesy("held", f"{holder.name if holder else 'Somebody'} has the conversation.", seen)


def _lines(seen: Seen, *speakers: Speaker) -> list[Said]:
    """What is newer and not the operator's own."""
    return [line for line in seen.newer if line.speaker in speakers and line.by != seen.operator.id]
