"""From rows to what operators see."""

import json
from dataclasses import fields
from typing import Final, TypeAlias

import asyncpg
from pydantic import TypeAdapter

from console.problems import Present
from console.state import View
from console.views import (
    CommandState,
    Content,
    Conversation,
    ConversationSummary,
    Customer,
    Delivery,
    Edit,
    Entry,
    Episode,
    LastSaid,
    Position,
    Thread,
)
from schemas.messages import Person, Said
from schemas.window import Window

Row: TypeAlias = asyncpg.Record
"""A row of the database; its columns are those of the migrations."""

_CONTENT: Final[TypeAdapter[Content]] = TypeAdapter(Content)
_EDITS: Final[TypeAdapter[tuple[Edit, ...]]] = TypeAdapter(tuple[Edit, ...])
SUMMARY_FIELDS: Final = tuple(ConversationSummary.model_fields)
_COLUMNS: Final = tuple(field.name for field in fields(View))


def view_of(row: Row) -> View:
    """Of the columns that this version knows: the next version's are there before its processes are."""
    return View(**{name: row[name] for name in _COLUMNS} | {"attributes": json.loads(row["attributes"])})


def conversation_of(view: View) -> Conversation:
    return Conversation(
        id=view.id,
        bot=view.bot or "",
        channel=view.channel,
        customer=Customer(name=view.customer_name, picture_url=view.picture_url),
        owner=view.owner,
        epoch=view.epoch,
        episode=view.episode,
        attended=view.attended,
        waiting=view.owner == "human" and (not view.attended or (view.venue == "inbox" and view.holder_id is None)),
        venue=view.venue,
        holder=person_of(view.holder_id, view.holder_name),
        assigned=person_of(view.assigned_id, view.assigned_name),
        cause=view.cause,
        since=view.since,
        deadline=view.deadline,
        seq=view.seq,
        unread=view.unread,
        last=_last_of(view),
        last_at=view.last_at,
        block=view.block,
        block_name=view.block_name,
        inferred=view.inferred,
        fault=view.fault,
        thread=Thread(
            owner=view.thread_owner,
            app_id=view.thread_app,
            reason=view.thread_reason,
            moved_to_done=view.moved_to_done,
        ),
        customer_acted_at=view.acted_at,
        position=Position(flow=view.flow, block=view.flow_block, waits_for=view.waits_for or "") if view.flow else None,
        attributes=dict(view.attributes),
    )


def summary_of(view: View) -> ConversationSummary:
    whole = conversation_of(view)
    return ConversationSummary(**{name: getattr(whole, name) for name in SUMMARY_FIELDS})


def entry_of(row: Row) -> Entry:
    """The entry of a row whose own part has come (`kind` is not NULL)."""
    delivery = None
    if row["kind"] == "message":
        delivery = Delivery(
            state=row["delivery_state"] or "queued",
            reason=row["delivery_reason"],
            mid=row["mid"],
            next_step=row["delivery_next_step"],
            advice=row["delivery_advice"],
        )
    return Entry(
        seq=row["seq"],
        at=row["at"],
        epoch=row["epoch"],
        episode=row["episode"],
        speaker=row["speaker"],
        person=person_of(row["person_id"], row["person_name"]),
        text=row["text"],
        delivery=delivery,
        content=_CONTENT.validate_json(row["content"]),
        edits=_EDITS.validate_json(row["edits"]),
        deleted=row["deleted"],
        reaction=row["reaction"],
    )


def episode_of(row: Row) -> Episode:
    names = set(Episode.model_fields) - {"by", "ended_by"}
    return Episode(
        **{name: row[name] for name in names},
        by=person_of(row["by_id"], row["by_name"]),
        ended_by=person_of(row["ended_by_id"], row["ended_by_name"]),
    )


def command_of(row: Row) -> CommandState:
    decision = json.loads(row["decision"]) if row["decision"] else {}
    present = decision.get("present")
    return CommandState(
        id=row["id"],
        conversation=row["conversation"],
        type=row["kind"],
        status=row["status"],
        code=decision.get("code"),
        reason=decision.get("reason", ""),
        present=Present.model_validate(present) if present else None,
        newer=tuple(Said.model_validate(line) for line in decision.get("newer", ())),
        sent_at=row["sent_at"],
        decided_at=row["decided_at"],
    )


def window_of(conversation: Conversation, *, human_agent: bool) -> Window:
    """Until when the customer may be answered. `human_agent`: the page uses the tag. Only Messenger has a window."""
    acted_at = conversation.customer_acted_at if conversation.channel == "messenger" else None
    return Window.after(acted_at, human_agent=human_agent)


def person_of(identity: str | None, name: str | None) -> Person | None:
    return Person(id=identity, name=name or identity) if identity else None


def _last_of(view: View) -> LastSaid | None:
    if view.last_speaker is None or view.last_said_at is None:
        return None
    return LastSaid(
        seq=view.last_seq, speaker=view.last_speaker, name=view.last_name, text=view.last_text, at=view.last_said_at
    )
