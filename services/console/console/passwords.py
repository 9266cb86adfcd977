"""Passwords: argon2id in threads, so that a sign-in does not hold the event loop, and only a few at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from console.problems import unavailable

AT_ONCE: Final = 2  # hashes; each takes 64 MiB and a core for some tens of milliseconds
WAITING: Final = 50  # sign-ins that may wait for their turn; more are told to come again


class Passwords:
    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        async with self._place():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Takes as long for an account that is not there (`stored` None) as for one that is."""
        async with self._place():
            right = await asyncio.to_thread(self._verify, stored, password)
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether it was hashed with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A turn at hashing; raises `Refusal` (503) where too many wait already."""
        if self._waiting >= WAITING:
            raise unavailable("busy", "Too many people sign in at once.")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    def _verify(self, stored: str | None, password: str) -> bool:
        self._nobodys = self._nobodys or self._hasher.hash("nobody has this password")
        try:
            return self._hasher.verify(stored or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
