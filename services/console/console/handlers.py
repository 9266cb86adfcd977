"""What the console does with records: it keeps the transcript. All of it is in `transcript`; here it meets the database."""

from collections.abc import Sequence

from console.json_text import storable
from console.repository import erasure
from console.repository import transcript as repository
from console.transcript import Batch, concerns, new_view
from runtime.handler import BaseHandler
from runtime.postgres import Connection
from runtime.records import Outgoing, Record
from schemas.commands import Erase, SendMessage
from schemas.envelope import event_types, type_names
from schemas.outcomes import Outcome
from schemas.topics import MESSENGER_COMMANDS, OUTCOMES

GROUP = "console"
TOPICS = (OUTCOMES, MESSENGER_COMMANDS)
WANTED = frozenset(event_types(OUTCOMES)) | type_names(SendMessage, Erase)
"""Of the commands only messages, and that they are to be forgotten: thread control is nothing to see."""


class TranscriptHandler(BaseHandler):
    """Folds a batch over the views it concerns and writes each changed row once."""

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        del partition
        events = [event for record in records if (event := _taken_in(record)) is not None]
        if events:
            before = await repository.locked(tx, [new_view(event) for event in events])
            batch = Batch(before)
            for event in events:
                batch.take(event)
            await repository.store(tx, before, batch)
            await erasure.erase(tx, batch.erased.values())
        return ()


def _taken_in(record: Record) -> SendMessage | Erase | Outcome | None:
    event = record.event
    if not isinstance(event, SendMessage | Erase | Outcome) or not concerns(event):
        return None
    clean = storable(event, record.value or event.model_dump_json().encode())
    return clean if isinstance(clean, SendMessage | Erase | Outcome) else None
