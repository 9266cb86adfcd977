"""Writing the transcript, within the transaction that takes the records in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from console.json_text import json_text
from console.projection import Row, command_of, entry_of, view_of
from console.state import Decided, EntryPatch, EpisodePatch, View
from console.streams import News, command_news, conversation_news, entry_news
from console.transcript import Batch
from console.views import CustomerContent
from runtime.postgres import Connection, statements

_SQL = statements("console")


async def locked(tx: Connection, new: Iterable[View]) -> list[View]:
    """The views of these conversations, made where they are missing, and locked until the commit.

    Rows are locked in one order, so that two transactions over the same conversations never wait for each other.
    """
    first = {view.id: view for view in reversed(list(new))}
    views = list(first.values())
    await tx.execute(
        _SQL["conversation_ensure"],
        [view.id for view in views],
        [view.channel for view in views],
        [view.last_at for view in views],
    )
    return [view_of(row) for row in await tx.fetch(_SQL["conversation_lock"], [view.id for view in views])]


async def store(tx: Connection, before: Iterable[View], batch: Batch) -> None:
    """Write what a batch changed, and the live events that tell it."""
    if batch.changed:
        changed = [asdict(batch.views[name]) for name in sorted(batch.changed)]
        await tx.execute(_SQL["conversation_store"], json_text(changed))
    entries = await _entries(tx, batch.entries.values())
    if batch.episodes:
        rows = [_episode_row(patch) for patch in batch.episodes.values()]
        await tx.execute(_SQL["episode_store"], json_text(rows))
    commands: Sequence[Row] = []
    if batch.decisions:
        rows = [_decision_row(decided) for decided in batch.decisions.values()]
        commands = await tx.fetch(_SQL["command_decide"], json_text(rows))
    await tell(tx, list(_news(before, batch, entries, commands)))


async def tell(tx: Connection, news: Sequence[News]) -> None:
    """Number live events and store them; their streams are locked until the commit."""
    if news:
        await tx.execute(
            _SQL["live_append"],
            [each.stream for each in news],
            [each.type for each in news],
            [each.body for each in news],
        )


async def _entries(tx: Connection, patches: Iterable[EntryPatch]) -> Sequence[Row]:
    found: dict[tuple[str, int], Row] = {}
    own = [_entry_row(patch) for patch in patches if patch.written or patch.delivered]
    if own:
        for row in await tx.fetch(_SQL["entry_store"], json_text(own)):
            found[row["conversation"], row["seq"]] = row
    taken = [patch for patch in patches if patch.taken and not patch.written]
    if taken:
        places = [patch.conversation for patch in taken], [patch.seq for patch in taken]
        for row in await tx.fetch(_SQL["entry_taken"], *places):
            found[row["conversation"], row["seq"]] = row
    return [found[place] for place in sorted(found)]


def _news(before: Iterable[View], batch: Batch, entries: Sequence[Row], commands: Sequence[Row]) -> Iterator[News]:
    for row in entries:
        if row["kind"] is not None:
            yield from entry_news(row["conversation"], [entry_of(row)])
    for view in before:
        if view.id in batch.changed:
            yield from conversation_news(view, batch.views[view.id])
    yield from command_news(command_of(row) for row in commands)


# Any: rows of JSON, as the statements name them.
def _entry_row(patch: EntryPatch) -> dict[str, Any]:
    row: dict[str, Any] = {"conversation": patch.conversation, "seq": patch.seq}
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
            "mid": patch.delivered.mid,
        }
    return row


def _episode_row(patch: EpisodePatch) -> dict[str, Any]:
    row = asdict(patch)
    by, ended_by = patch.by, patch.ended_by
    row |= {"by_id": by.id if by else None, "by_name": by.name if by else None}
    row |= {"ended_by_id": ended_by.id if ended_by else None, "ended_by_name": ended_by.name if ended_by else None}
    del row["by"], row["ended_by"]
    return row


def _decision_row(decided: Decided) -> dict[str, Any]:
    decision = {"code": decided.code, "reason": decided.reason, "present": decided.present, "newer": decided.newer}
    return {"id": decided.command, "status": decided.status, "decision": decision, "decided_at": decided.at}
