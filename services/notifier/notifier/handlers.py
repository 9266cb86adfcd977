"""Takes in outcomes: the rows of e-mails change in the transaction that stores the offset."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from notifier import metrics, repository
from notifier.notice import State, message_id, plan
from runtime.handler import BaseHandler
from runtime.postgres import Connection
from runtime.records import Outgoing, Record
from schemas.envelope import type_names
from schemas.outcomes import ConversationErased, TakeoverAnswered, TakeoverEnded, TakeoverStarted

WANTED: Final = type_names(TakeoverStarted, TakeoverAnswered, TakeoverEnded, ConversationErased)
"""What of `outcomes` says that an e-mail is due, or no more."""


class OutcomesHandler(BaseHandler):
    """`taken_in` is called when e-mails may have become due."""

    def __init__(self, *, public_url: str, now: Callable[[], datetime], taken_in: Callable[[], None]) -> None:
        self._public_url = public_url
        self._now = now
        self._taken_in = taken_in
        self._new: set[int] = set()  # partitions with e-mails in a transaction that is not known to be committed

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        wanted = plan(record.event for record in records)
        now = self._now()
        notices = [(notice, message_id(notice, self._public_url)) for notice in wanted.notices]
        await repository.write(tx, notices, partition=partition, now=now)
        if notices:
            self._new.add(partition)
        dismissed = await repository.dismiss(tx, wanted.over, now=now)
        if dismissed:
            metrics.SETTLED.labels(State.NOT_NEEDED).inc(dismissed)
        return ()

    def committed(self, topic: str, partition: int) -> None:  # noqa: ARG002
        """Also called after the sender's own transactions, which must not make it look again at once."""
        if partition in self._new:
            self._new.remove(partition)
            self._taken_in()
