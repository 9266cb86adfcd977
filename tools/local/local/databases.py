"""What every PostgreSQL server can be asked for, wherever it runs."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from local.errors import StartFailed

USER = DATABASE = "convoboss"
POLL = 0.02  # seconds between two looks at a starting server


class DatabaseServer:
    """A server on host and port, reached as user convoboss without a password."""

    host = "127.0.0.1"
    port: int

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}@{self.host}:{self.port}/{database}"

    async def create_database(self, name: str) -> str:
        """An empty database; returns its URL."""
        await self._maintain(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    async def drop_database(self, name: str) -> None:
        """Cuts who is still connected."""
        await self._maintain(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def answer(self, deadline: float, why_dead: Callable[[], StartFailed | None]) -> None:
        """Returns when the default database is there and answers.

        Raises what `why_dead` gives, or StartFailed at the deadline (monotonic seconds).
        """
        import asyncpg

        while True:
            try:
                with contextlib.suppress(asyncpg.DuplicateDatabaseError):
                    await self.create_database(DATABASE)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                said = str(error)
            else:
                return
            if dead := why_dead():
                raise dead
            refused = StartFailed("PostgreSQL", "no query was answered in time", said)
            if refused.final or time.monotonic() > deadline:
                raise refused
            await asyncio.sleep(POLL)

    async def _maintain(self, statement: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(self.url_of("postgres"), timeout=10)
        try:
            await connection.execute(statement, timeout=30)
        finally:
            await connection.close()
