"""Operators' commands. Each goes to the log, whose outcome binds; a 409 from here is a courtesy."""

import asyncio
import re
from collections.abc import Callable, Coroutine
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
    RepeatedBody,
    ReplyBody,
    RetryBody,
    Seen,
    TakeoverBody,
)
from console.metrics import COMMANDS
from console.paths import CommandPath, ConversationPath, EntryPath
from console.problems import Refusal, invalid, refuse, unavailable, unknown
from console.projection import conversation_of, window_of
from console.registry import PREFIX, Call, Nothing, Reply, Routes
from console.repository import accounts, conversations
from console.repository import commands as repository
from console.repository.commands import Ready, StoredCommand
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
    return await _give(call, "reply", lambda origin, body: rules.replies(origin, body, client_id), rules.check_reply)


@routes.route(
    "POST",
    "/conversations/{conversation}/messages/{seq}/retry",
    "retryMessage",
    path_model=EntryPath,
    body=RetryBody,
    responses={202: CommandSent},
    problems=(409,),
    idempotency_key=True,
)
async def retry_message(call: Call[EntryPath, Nothing, RetryBody]) -> Reply:
    """Sends an operator's message again that was not delivered, or of which it is uncertain; not where it arrives after all."""
    attempts = await conversations.attempts(call.services.pool, call.path.conversation, call.path.seq)
    if attempts is None:
        raise unknown("entry")
    client_id = call.header("Idempotency-Key") or ""

    def check(body: RepeatedBody, seen: Seen) -> None:
        rules.check_retry(attempts)
        rules.check_reply(body, seen)

    body = rules.repeats(call.body, attempts.entry)
    repeated: Call[ConversationPath, Nothing, RepeatedBody] = Call(
        call.services, call.request, call.path, call.query, body, call.signed_in
    )
    return await _give(repeated, "reply", lambda origin, body: rules.replies(origin, body, client_id), check)


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
    bot = await conversations.bot_of(services.pool, call.path.conversation)
    if bot is None:
        raise unknown("conversation")
    try:
        colleague = await accounts.get_operator(services.pool, identity)
    except Refusal:
        colleague = None
    if colleague is None or not colleague.active or not colleague.sees(bot):
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
    """Kept, then in the log, then answered. What is kept is published by the repeated request if this one stops in between."""
    pool, body, conversation = call.services.pool, call.body, call.path.conversation
    identity = rules.command_id(call.operator.id, _key(call.header("Idempotency-Key")))
    hashed = rules.body_hash(kind, conversation, body)
    composed = body.seq if isinstance(body, ReplyBody) else None
    met = await repository.ready(pool, identity, conversation, seq=composed, limit=NEWER)
    if met is None:
        raise unknown("conversation")
    stored = await repository.get(pool, identity) if met.given else None
    if stored is None:
        origin = Origin(identity, conversation, call.operator.person, call.services.now())
        event = record(origin, body)
        try:
            check(body, _seen(call, met))
        except Refusal:
            COMMANDS.labels(kind, "refused").inc()
            raise
        stored = await repository.add(pool, kind, hashed, event, origin.at)
    if stored.body_hash != hashed:
        raise refuse(
            422,
            "idempotency_key_reused",
            "This key belongs to another command.",
            "A key stands for one command; a new command needs a new key.",
            "Idempotency-Key",
        )
    if composed is None:
        await _publish(call.services, kind, stored)
    else:
        await _together(_publish(call.services, kind, stored), conversations.mark_read(pool, conversation, composed))
    return _sent(stored)


async def _together(*both: Coroutine[object, object, None]) -> None:
    """Waits for all of them, whatever becomes of one; raises the first one's error first."""
    done = await asyncio.gather(*both, return_exceptions=True)
    for one in done:
        if one is not None:
            raise one


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
    COMMANDS.labels(kind, "sent").inc()


def _seen(call: Call[ConversationPath, Nothing, B], met: Ready) -> Seen:
    conversation, now = conversation_of(met.view), call.services.now()
    window = window_of(conversation, human_agent=met.human_agent)
    return Seen(
        operator=call.operator.person,
        is_admin=call.operator.is_admin,
        present=conversation.present,
        attended=conversation.attended,
        newer=met.newer,
        answer_with=window.person(now),
        window_reason=window.reason(now),
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
