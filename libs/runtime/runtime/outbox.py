"""The outbox of writers that are no consumer, such as an API: what is to be published goes into the transaction.

A consumer's own outbox is in `runtime.partition`.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import asyncpg

from runtime import backoff, metrics
from runtime.errors import passes
from runtime.health import Component, Health
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.packing import Packed, dump, load, pack
from runtime.postgres import ACQUIRE_TIMEOUT, Connection, Pool, statements
from runtime.records import Outgoing

POLL: Final = (
    1.0  # seconds: how long a row waits of which nobody told, because its process died or was cut off just then
)
ROWS: Final = 200  # read and published together
TAKE_OVER: Final = 1.0  # seconds between attempts to become the one relay
# The server ends the relay's session, and with it the lock, when it says nothing for so long: its process stands still.
# Above the time that one publication may take, in which the session is idle too.
SILENCE_S: Final = 30
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 5.0  # seconds

_SQL = statements("runtime")
log = get_logger(__name__)


async def enqueue(tx: Connection, outgoing: Sequence[Outgoing]) -> None:
    """Has the relay publish these after the commit, in this order. Rows of one key must be written under a lock of it,

    for order is that of the rows' numbers. Raises `RecordTooLarge`.
    """
    if outgoing:
        await tx.execute(_SQL["store"], None, body(outgoing))


def body(outgoing: Sequence[Outgoing]) -> bytes:
    """The body of an outbox row without slot, for a statement that does more than `enqueue`. Raises `RecordTooLarge`."""
    return dump(pack(outgoing))


class Relay:
    """Publishes what `enqueue` stored in the pool's schema, in order, and deletes it after the acknowledgement.

    Of all processes one relays at a time, the one that has an advisory lock, and the others tell it of their rows; a row
    that was published and not yet deleted when it died is published again.
    """

    def __init__(
        self, pool: Pool, publisher: Publisher, health: Health | None = None, *, silence_s: int = SILENCE_S
    ) -> None:
        self._pool = pool
        self._silence = silence_s
        self._publisher = publisher
        self._component: Component = (health or Health()).component("outbox relay")
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A transaction with new rows was committed: they go out at once."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        while True:
            try:
                await self._relay()
            except Exception as error:
                if not passes(error):
                    raise
                self._component.failing(str(error))
                log.warning("relay failed, trying again", error=str(error))
                await asyncio.sleep(next(waits))
            else:
                waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)

    async def _relay(self) -> None:
        woken = self._wake.is_set()
        self._wake.clear()
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
            # A lock of the session: it also ends with the connection.
            relay = await connection.fetchrow(_SQL["relay_lock"], woken)
            if relay is not None and relay["held"]:
                try:
                    await connection.execute(f"SET idle_session_timeout = '{self._silence}s'")
                    await connection.add_listener(relay["channel"], self._told)
                    await self._hold(connection)  # type: ignore[arg-type] # a pool's proxy of a connection
                finally:
                    # Where the session has ended the lock went with it, and the proxy says so by an error.
                    with suppress(asyncpg.InterfaceError):
                        await connection.remove_listener(relay["channel"], self._told)
                        await connection.fetchval(_SQL["relay_unlock"])
                        await connection.execute("RESET idle_session_timeout")
        self._component.ok("another process relays")
        await self._pause(TAKE_OVER)

    async def _hold(self, connection: Connection) -> None:
        published: list[int] = []
        try:
            while True:
                self._component.ok("relaying")
                self._wake.clear()
                published = await self._publish_next(connection, published)
                if len(published) < ROWS:
                    await self._pause(POLL)
        finally:
            if published:
                with suppress(asyncpg.InterfaceError):
                    await connection.execute(_SQL["relay_clear"], published)

    async def _publish_next(self, connection: Connection, published: Sequence[int]) -> list[int]:
        """Reads and publishes rows, and returns their ids. Those published before are deleted by the same statement."""
        rows = await connection.fetch(_SQL["relay_read"], published, ROWS)
        if rows:
            packed: list[Packed] = [each for row in rows for each in load(row["body"])]
            await self._publisher.publish_packed(packed)
            metrics.RELAYED.inc(len(rows))
            self._component.progress()
        return [row["id"] for row in rows]

    def _told(self, *_notification: object) -> None:
        """Another process has committed rows."""
        self.wake()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
