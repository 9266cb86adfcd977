"""Forgetting a customer, within the transaction that takes the records in. Who spoke, when, who had it and why stays."""

from collections.abc import Iterable
from typing import Final

from console.state import Erased
from console.streams import conversation_stream, inbox_stream
from runtime.postgres import Connection, statements

_SQL: Final = statements("console")


async def erase(tx: Connection, erased: Iterable[Erased]) -> None:
    """Also drops the live events that told it: whoever has not read them is told of a gap, and reads what is left."""
    for each in erased:
        await tx.execute(_SQL["erase_entries"], each.conversation, each.seq)
        await tx.execute(_SQL["erase_episodes"], each.conversation, each.at)
        await tx.execute(_SQL["erase_commands"], each.conversation, each.at)
        await tx.execute(
            _SQL["erase_live"], conversation_stream(each.conversation), inbox_stream(""), each.conversation
        )
