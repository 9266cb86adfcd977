"""What is told to the log about a command. Ids are made of the command's, so a second copy is recognised."""

from datetime import datetime
from typing import Literal

from graphapi.answers import Owner, ProfileAnswer
from schemas.commands import Command, ExtendThread, ReadProfile, ReadThread, SendMessage
from schemas.conversations import (
    CommandSuppressed,
    MessageRefused,
    MessageSent,
    ProfileRead,
    ThreadExtended,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
)
from schemas.messages import Profile

Report = (
    MessageSent
    | MessageRefused
    | CommandSuppressed
    | ThreadMoved
    | ThreadExtended
    | ThreadRefused
    | ThreadOwnerRead
    | ProfileRead
)


def sent(command: SendMessage, *, mid: str, passed: bool, at: datetime) -> MessageSent:
    return MessageSent(
        id=f"{command.id}:sent",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        seq=command.seq,
        mid=mid,
        passed=passed,
    )


def refused(
    command: SendMessage,
    *,
    kind: Literal["not_owner", "permanent", "uncertain"],
    reason: str,
    at: datetime,
    code: int | None = None,
    subcode: int | None = None,
    next_step: str = "",
) -> MessageRefused:
    return MessageRefused(
        id=f"{command.id}:refused",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        seq=command.seq,
        kind=kind,
        code=code,
        subcode=subcode,
        reason=reason,
        next_step=next_step,
    )


def suppressed(command: Command, *, at: datetime, said: bool = False, reason: str = "") -> CommandSuppressed:
    """`said`: the message itself had left; what is suppressed is the thread control that was to follow it. `reason`: why,

    where it was no Silence.
    """
    return CommandSuppressed(
        id=f"{command.id}:suppressed",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        seq=command.seq if isinstance(command, SendMessage) and not said else None,
        reason=reason,
    )


def moved(command: Command, *, owner: str, at: datetime, step: Literal["moved", "taken"] = "moved") -> ThreadMoved:
    """`taken`: on the way to a message that was refused because another app had the thread."""
    return ThreadMoved(
        id=f"{command.id}:{step}",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        owner=owner,
    )


def extended(command: ExtendThread, *, at: datetime) -> ThreadExtended:
    return ThreadExtended(
        id=f"{command.id}:extended",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        seconds=command.seconds,
    )


def thread_refused(
    command: Command,
    *,
    action: Literal["pass", "take", "extend"],
    reason: str,
    at: datetime,
    code: int | None = None,
    subcode: int | None = None,
) -> ThreadRefused:
    return ThreadRefused(
        id=f"{command.id}:thread_refused",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        action=action,
        code=code,
        subcode=subcode,
        reason=reason,
    )


def owner_read(command: ReadThread, owner: Owner, *, at: datetime) -> ThreadOwnerRead:
    return ThreadOwnerRead(
        id=f"{command.id}:owner",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        known=owner.known,
        owner=owner.app_id,
    )


def profile_read(command: ReadProfile, profile: ProfileAnswer, *, at: datetime) -> ProfileRead:
    return ProfileRead(
        id=f"{command.id}:profile",
        occurred_at=at,
        conversation=command.conversation,
        command=command.id,
        epoch=command.epoch,
        profile=Profile(first_name=profile.first_name, last_name=profile.last_name, picture_url=profile.profile_pic),
    )
