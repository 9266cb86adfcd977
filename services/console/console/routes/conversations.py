"""Conversations as operators see them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from console.commands import MAX_NUMBER, Number
from console.operators import BotId
from console.paging import LIMIT, CursorText, Limit, bad_cursor, decoded, encoded
from console.paths import ConversationPath
from console.problems import invalid, unknown
from console.projection import window_of
from console.registry import Call, Input, Nothing, Output, Parameters, Reply, Routes
from console.repository import bots as bot_repository
from console.repository import conversations as repository
from console.repository.conversations import Filters, Place
from console.streams import inbox_stream
from console.views import Conversation, ConversationSummary, Entry, Episode, WindowView
from schemas.base import ConversationId

routes = Routes("Conversations")

MAX_SEARCH = 100  # characters
Seq = Annotated[int, Field(ge=0, le=MAX_NUMBER)]


class ConversationQuery(Parameters):
    """Filters narrow each other. `q`: a part of the customer's name. `mine`: held by whoever asks."""

    bot: BotId | None = None
    owner: Literal["bot", "human"] | None = None
    waiting: bool | None = None
    mine: bool = False
    q: Annotated[str, Field(min_length=1, max_length=MAX_SEARCH)] | None = None
    limit: Limit = LIMIT
    cursor: CursorText | None = None


class ConversationPage(Output):
    """Newest first. `streams`: the inbox streams to subscribe to, with the number that this page is valid at."""

    items: tuple[ConversationSummary, ...]
    next: str | None
    streams: dict[str, int]
    server_time: AwareDatetime


class ConversationAnswer(Output):
    """`stream_seq`: subscribe to the conversation's stream from here. `window`: as of `server_time`."""

    conversation: Conversation
    window: WindowView
    stream_seq: int
    server_time: AwareDatetime


class EntryQuery(Parameters):
    """`after`: the first ones after it. Else the last ones, before `before` where it is given."""

    after: Seq | None = None
    before: Seq | None = None
    limit: Limit = LIMIT


class EntryPage(Output):
    """In order. `more`: there are others in the direction that was asked for."""

    items: tuple[Entry, ...]
    more: bool
    stream_seq: int
    server_time: AwareDatetime


class EpisodeQuery(Parameters):
    limit: Limit = LIMIT


class EpisodeList(Output):
    """Newest first."""

    items: tuple[Episode, ...]


class ReadBody(Input):
    """`seq`: of the last entry that was on the screen."""

    seq: Number


@routes.route("GET", "/conversations", "listConversations", query=ConversationQuery, responses={200: ConversationPage})
async def list_conversations(call: Call[Nothing, ConversationQuery, Nothing]) -> Reply:
    """The conversations of the operator's bots, those with the newest entry first."""
    query, operator, pool = call.query, call.operator, call.services.pool
    filters = Filters(
        bots=operator.visible_bots,
        bot=query.bot,
        owner=query.owner,
        waiting=query.waiting,
        holder=operator.id if query.mine else None,
        name=query.q,
    )
    bots = await bot_repository.bot_ids(pool) if operator.is_admin else operator.bots
    streams = [inbox_stream(bot) for bot in bots if query.bot in {None, bot}]
    found = await repository.list_conversations(pool, filters, _place(query.cursor), query.limit + 1, streams)
    items = tuple(found.items[: query.limit])
    last = items[-1] if len(found.items) > query.limit else None
    page = ConversationPage(
        items=items,
        next=encoded(last.last_at.isoformat(), last.id) if last else None,
        streams=found.streams,
        server_time=call.services.now(),
    )
    return Reply(200, page)


@routes.route(
    "GET",
    "/conversations/{conversation}",
    "getConversation",
    path_model=ConversationPath,
    responses={200: ConversationAnswer},
)
async def get_conversation(call: Call[ConversationPath, Nothing, Nothing]) -> Reply:
    """Who has the conversation, why, since when, until when; and what is known of the customer."""
    found = await repository.get_conversation(call.services.pool, call.path.conversation)
    if found is None:
        raise unknown("conversation")
    conversation, stream_seq = found
    now = call.services.now()
    page = ConversationId.parse(conversation.id).account
    tagged = await bot_repository.uses_human_agent(call.services.pool, page)
    window = window_of(conversation, human_agent=tagged)
    shown = WindowView(
        open_until=window.open_until,
        human_agent_until=window.human_agent_until,
        answer_with=window.person(now),
        reason=window.reason(now),
    )
    answer = ConversationAnswer(conversation=conversation, window=shown, stream_seq=stream_seq, server_time=now)
    return Reply(200, answer)


@routes.route(
    "GET",
    "/conversations/{conversation}/entries",
    "listEntries",
    path_model=ConversationPath,
    query=EntryQuery,
    responses={200: EntryPage},
)
async def list_entries(call: Call[ConversationPath, EntryQuery, Nothing]) -> Reply:
    """The transcript."""
    query = call.query
    if query.after is not None and query.before is not None and query.before <= query.after:
        raise invalid("before", "it is not after `after`")
    found, stream_seq = await repository.list_entries(
        call.services.pool, call.path.conversation, after=query.after, before=query.before, limit=query.limit + 1
    )
    more = len(found) > query.limit
    items = found[: query.limit] if query.after is not None else found[-query.limit :]
    page = EntryPage(items=tuple(items), more=more, stream_seq=stream_seq, server_time=call.services.now())
    return Reply(200, page)


@routes.route(
    "GET",
    "/conversations/{conversation}/episodes",
    "listEpisodes",
    path_model=ConversationPath,
    query=EpisodeQuery,
    responses={200: EpisodeList},
)
async def list_episodes(call: Call[ConversationPath, EpisodeQuery, Nothing]) -> Reply:
    """The conversation's takeovers."""
    found = await repository.list_episodes(call.services.pool, call.path.conversation, call.query.limit)
    return Reply(200, EpisodeList(items=tuple(found)))


@routes.route(
    "POST",
    "/conversations/{conversation}/read",
    "markRead",
    path_model=ConversationPath,
    body=ReadBody,
    responses={204: None},
)
async def mark_read(call: Call[ConversationPath, Nothing, ReadBody]) -> Reply:
    """Entries up to `seq` were seen: only what the customer writes after it is unread."""
    await repository.mark_read(call.services.pool, call.path.conversation, call.body.seq)
    return Reply(204)


def _place(cursor: str | None) -> Place | None:
    parts = decoded(cursor, 2)
    if parts is None:
        return None
    try:
        at = datetime.fromisoformat(parts[0])
    except ValueError:
        raise bad_cursor() from None
    if at.tzinfo is None:
        raise bad_cursor()
    return Place(at, parts[1])
