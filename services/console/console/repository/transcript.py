"""Writing the transcript, within the transaction that takes the records in."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any, Final, TypeAlias

from console.json_text import json_text
from console.projection import Row, command_of, entry_of, view_of
from console.state import Decided, EntryPatch, EpisodePatch, View
from console.streams import News, command_news, conversation_news, conversation_stream, entry_news, inbox_stream
from console.transcript import Batch
from console.views import CustomerContent
from runtime.postgres import Connection, statements
from schemas.delivery import sentence
from schemas.outcomes import MessageDeleted, MessageEdited, MessageReacted

# Any: rows of JSON, as the statements name them.
_Json: TypeAlias = dict[str, Any]

_SQL: Final = statements("console")
_COLUMNS: Final = tuple(field.name for field in fields(View))
_of_columns: Final = attrgetter(*_COLUMNS)


async def locked(tx: Connection, new: Iterable[View]) -> list[View]:
    """The views of these conversations, made where they are missing, and locked until the commit.

    Rows are locked in one order, so that two transactions over the same conversations never wait for each other.
    """
    first = {view.id: view for view in reversed(list(new))}
    ids = list(first)
    rows = await tx.fetch(_SQL["conversation_lock"], ids)
    if not rows:
        views = first.values()
        await tx.execute(
            _SQL["conversation_ensure"], ids, [view.channel for view in views], [view.last_at for view in views]
        )
        rows = await tx.fetch(_SQL["conversation_lock"], ids)
    return [view_of(row) for row in rows]


async def store(tx: Connection, before: Iterable[View], batch: Batch) -> None:
    """Write what a batch changed, and the live events that tell it. What is rare has statements of its own."""
    news: list[News] = []
    taken = [patch for patch in batch.entries.values() if patch.taken and not patch.written]
    if taken:
        places = [patch.conversation for patch in taken], [patch.seq for patch in taken]
        for row in await tx.fetch(_SQL["entry_taken"], *places):
            news += entry_news(row["conversation"], [entry_of(row)])
    if batch.episodes:
        await tx.execute(_SQL["episode_store"], json_text([_episode_row(each) for each in batch.episodes.values()]))
    for view in before:
        if view.id in batch.changed:
            news += conversation_news(view, batch.views[view.id])
    if batch.decisions:
        rows = [_decision_row(decided) for decided in batch.decisions.values()]
        news += command_news(command_of(row) for row in await tx.fetch(_SQL["command_decide"], json_text(rows)))
    entries = [_entry_row(patch) for patch in batch.entries.values() if patch.written or patch.delivered]
    await _write(tx, [_view_row(batch.views[name]) for name in sorted(batch.changed)], entries, news)
    await tell(tx, [*await _noted(tx, batch), *await _received(tx, batch)])


async def _noted(tx: Connection, batch: Batch) -> list[News]:
    """What customers did with messages: rare, so one by one, in its order. What is not there changes nothing."""
    news: list[News] = []
    for note in batch.notes:
        place = note.conversation, note.mid
        match note:
            case MessageEdited():
                rows = await tx.fetch(_SQL["entry_edit"], *place, note.text, note.number, note.at)
            case MessageDeleted():
                rows = await tx.fetch(_SQL["entry_delete"], *place)
                await _forget_live(tx, batch.views[note.conversation], rows)
            case MessageReacted():
                rows = await tx.fetch(_SQL["entry_react"], *place, note.emoji or note.reaction)
        news += _of_rows(rows)
    return news


async def _forget_live(tx: Connection, view: View, rows: Iterable[Row]) -> None:
    for row in rows:
        streams = conversation_stream(view.id), inbox_stream(view.bot or "")
        await tx.execute(_SQL["live_forget"], *streams, view.id, row["seq"])


async def _received(tx: Connection, batch: Batch) -> list[News]:
    news: list[News] = []
    for state in ("delivered", "seen"):  # what was seen has arrived: the last word of the two
        told = {name: each for (name, word), each in batch.received.items() if word == state}
        if told:
            values = told.values()
            rows = await tx.fetch(
                _SQL["entry_receive"],
                list(told),
                [each.seq for each in values],
                [each.until for each in values],
                [json_text(each.mids) for each in values],
                state,
            )
            news += _of_rows(rows)
    return news


def _of_rows(rows: Iterable[Row]) -> list[News]:
    """Nothing of an entry whose own part has not come yet."""
    whole = sorted((row for row in rows if row["kind"] is not None), key=lambda row: (row["conversation"], row["seq"]))
    return [each for row in whole for each in entry_news(row["conversation"], [entry_of(row)])]


async def tell(tx: Connection, news: Sequence[News]) -> None:
    """Number live events and store them; their streams are locked until the commit."""
    await _write(tx, [], [], news)


async def _write(tx: Connection, views: Sequence[_Json], entries: Sequence[_Json], news: Sequence[News]) -> None:
    if views or entries or news:
        await tx.execute(
            _SQL["transcript_store"],
            json_text(views),
            json_text(entries),
            [each.stream for each in news],
            [each.type for each in news],
            [each.body for each in news],
        )


def _view_row(view: View) -> _Json:
    return dict(zip(_COLUMNS, _of_columns(view), strict=True))


def _entry_row(patch: EntryPatch) -> _Json:
    row: _Json = {"conversation": patch.conversation, "seq": patch.seq}
    if patch.written is not None:
        written = patch.written
        content = written.content
        if patch.taken and isinstance(content, CustomerContent):
            content = content.model_copy(update={"addressed": "person"})
        row |= {
            "kind": content.kind,
            "at": written.at,
            "epoch": written.epoch,
            "episode": written.episode,
            "speaker": written.speaker,
            "person_id": written.person.id if written.person else None,
            "person_name": written.person.name if written.person else None,
            "text": written.text,
            "content": content,
        }
    if patch.delivered is not None:
        row |= {
            "delivery_state": patch.delivered.state,
            "delivery_reason": patch.delivered.reason,
            "delivery_next_step": patch.delivered.next_step,
            "delivery_advice": sentence(patch.delivered.next_step),
            "sent_at": patch.delivered.sent_at,
            "mid": patch.delivered.mid,
        }
    return row


def _episode_row(patch: EpisodePatch) -> _Json:
    row = asdict(patch)
    by, ended_by = patch.by, patch.ended_by
    row |= {"by_id": by.id if by else None, "by_name": by.name if by else None}
    row |= {"ended_by_id": ended_by.id if ended_by else None, "ended_by_name": ended_by.name if ended_by else None}
    del row["by"], row["ended_by"]
    return row


def _decision_row(decided: Decided) -> _Json:
    decision = {"code": decided.code, "reason": decided.reason, "present": decided.present, "newer": decided.newer}
    return {"id": decided.command, "status": decided.status, "decision": decision, "decided_at": decided.at}
