"""Operators' commands. Each goes to the log, whose outcome binds; a 409 from here is a courtesy."""

import asyncio
import re
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

from console import commands as rules
from console.commands import (
    NEWER,
    AssignBody,
    CommandBody,
    CommandSent,
    ExpiryBody,
    HandBackBody,
    Origin,
    ReplyBody,
    Seen,
    TakeoverBody,
)
from console.metrics import COMMANDS
from console.paths import CommandPath, ConversationPath
from console.problems import Refusal, invalid, refuse, unavailable, unknown
from console.registry import PREFIX, Call, Nothing, Reply, Routes
from console.repository import accounts, conversations
from console.repository import commands as repository
from console.repository.commands import StoredCommand
from console.services import Services
from console.views import CommandKind, CommandState
from runtime import tracing
from runtime.errors import PublishFailed
from runtime.records import Outgoing
from schemas.conversations import OperatorCommand
from schemas.messages import Person
from schemas.topics import CONVERSATIONS

routes = Routes("Commands")

B = TypeVar("B", bound=CommandBody)
_KEY = re.compile(rules.KEY_PATTERN)


@routes.route(
    "POST",
    "/conversations/{conversation}/takeover",
    "takeOver",
    path_model=ConversationPath,
    body=TakeoverBody,
    responses={202: CommandSent},
    problems=(409,),
    idempotency_key=True,
)
async def take_over(call: Call[ConversationPath, Nothing, TakeoverBody]) -> Reply:
    """*Enable Human Takeover* on: the conversation is the operator's."""
    return await _give(call, "takeover", rules.takes_over, rules.check_takeover)


@routes.route(
    "POST",
    "/conversations/{conversation}/replies",
    "reply",
    path_model=ConversationPath,
    body=ReplyBody,
    responses={202: CommandSent},
    problems=(409,),
    idempotency_key=True,
)
async def reply(call: Call[ConversationPath, Nothing, ReplyBody]) -> Reply:
    """Sends a message to the customer; under the bot it takes over first."""
    client_id = call.header("Idempotency-Key") or ""
    answer = await _give(call, "reply", lambda origin, body: rules.replies(origin, body, client_id), rules.check_reply)
    await conversations.mark_read(call.services.pool, call.path.conversation, call.body.seq)
    return answer


@routes.route(
    "POST",
    "/conversations/{conversation}/expiry",
    "setExpiry",
    path_model=ConversationPath,
    body=ExpiryBody,
    responses={202: CommandSent},
    problems=(409,),
    idempotency_key=True,
)
async def set_expiry(call: Call[ConversationPath, Nothing, ExpiryBody]) -> Reply:
    """*Session expired*: when the conversation goes back to the bot by itself, or that it never does."""
    return await _give(call, "expiry", rules.sets_expiry, rules.check_expiry)


@routes.route(
    "POST",
    "/conversations/{conversation}/hand-back",
    "handBack",
    path_model=ConversationPath,
    body=HandBackBody,
    responses={202: CommandSent},
    problems=(409,),
    idempotency_key=True,
)
async def hand_back(call: Call[ConversationPath, Nothing, HandBackBody]) -> Reply:
    """*Enable Human Takeover* off: the conversation is the bot's again."""
    return await _give(call, "hand_back", rules.hands_back, rules.check_hand_back)


@routes.route(
    "POST",
    "/conversations/{conversation}/assignment",
    "assign",
    path_model=ConversationPath,
    body=AssignBody,
    responses={202: CommandSent},
    problems=(409,),
    idempotency_key=True,
)
async def assign(call: Call[ConversationPath, Nothing, AssignBody]) -> Reply:
    """Gives the conversation to an operator, or to nobody in particular. Owner and expiry stay as they are."""
    to = await _colleague(call)
    return await _give(call, "assign", lambda origin, body: rules.assigns(origin, body, to), rules.check_takeover)


async def _colleague(call: Call[ConversationPath, Nothing, AssignBody]) -> Person | None:
    """Whom it is given to. Raises `Refusal` (422) for who cannot see it, without telling who exists."""
    services, identity = call.services, call.body.to
    if identity is None:
        return None
    found = await conversations.get_conversation(services.pool, call.path.conversation)
    if found is None:
        raise unknown("conversation")
    try:
        colleague = await accounts.get_operator(services.pool, identity)
    except Refusal:
        colleague = None
    if colleague is None or not colleague.active or not colleague.sees(found[0].bot):
        raise invalid("to", "no active operator of this bot has this id")
    return colleague.person


@routes.route("GET", "/commands/{command}", "getCommand", path_model=CommandPath, responses={200: CommandState})
async def get_command(call: Call[CommandPath, Nothing, Nothing]) -> Reply:
    """What became of a command: pending until the log has told."""
    found = await repository.get(call.services.pool, call.path.command)
    if found is None:
        raise unknown("command")
    return Reply(200, found.state)


async def _give(
    call: Call[ConversationPath, Nothing, B],
    kind: CommandKind,
    record: Callable[[Origin, B], OperatorCommand],
    check: Callable[[B, Seen], None],
) -> Reply:
    services, body, conversation = call.services, call.body, call.path.conversation
    identity = rules.command_id(call.operator.id, _key(call.header("Idempotency-Key")))
    hashed = rules.body_hash(kind, conversation, body)
    stored = await repository.get(services.pool, identity)
    if stored is None:
        origin = Origin(identity, conversation, call.operator.person, services.now())
        event = record(origin, body)
        try:
            check(body, await _seen(call, body))
        except Refusal:
            COMMANDS.labels(kind, "refused").inc()
            raise
        await repository.add(services.pool, kind, hashed, event, origin.at)
        stored = await repository.get(services.pool, identity)
        if stored is None:
            raise unavailable("database_unavailable", "The command was not kept; send it again.")
    if stored.body_hash != hashed:
        raise refuse(
            422,
            "idempotency_key_reused",
            "This key belongs to another command.",
            "A key stands for one command; a new command needs a new key.",
            "Idempotency-Key",
        )
    await _publish(services, kind, stored)
    return _sent(stored)


async def _publish(services: Services, kind: CommandKind, stored: StoredCommand) -> None:
    """Returns when the log has the command. Raises `Refusal` (503) where it may not have: the same request may be sent again."""
    if stored.acknowledged:
        COMMANDS.labels(kind, "repeated").inc()
        return
    try:
        async with asyncio.timeout(services.settings.command_timeout):
            await services.publisher.publish([Outgoing(CONVERSATIONS, stored.event, tracing.current())])
    except (PublishFailed, TimeoutError):
        COMMANDS.labels(kind, "unavailable").inc()
        raise unavailable("log_unavailable", "The log did not take it in; send it again.") from None
    await repository.acknowledge(services.pool, stored.state.id)
    COMMANDS.labels(kind, "sent").inc()


async def _seen(call: Call[ConversationPath, Nothing, B], body: B) -> Seen:
    found = await conversations.get_conversation(call.services.pool, call.path.conversation)
    if found is None:
        raise unknown("conversation")
    newer = (
        await conversations.said_since(call.services.pool, call.path.conversation, body.seq, NEWER)
        if isinstance(body, ReplyBody)
        else ()
    )
    return Seen(
        operator=call.operator.person,
        is_admin=call.operator.is_admin,
        present=found[0].present,
        attended=found[0].attended,
        newer=newer,
    )


def _sent(stored: StoredCommand) -> Reply:
    sent = CommandSent(command=stored.state.id, conversation=stored.state.conversation, sent_at=stored.state.sent_at)
    return Reply(202, sent, {"Location": f"{PREFIX}/commands/{stored.state.id}"})


def _key(header: str | None) -> str:
    """The header's key, or a new one. Raises `Refusal` (422)."""
    if header is None:
        return uuid4().hex
    if _KEY.fullmatch(header) is None:
        reason = f"1 to {rules.MAX_KEY} letters, digits, dots, colons, hyphens and underscores"
        raise refuse(422, "invalid", "The request is not valid.", reason, "Idempotency-Key")
    return header
