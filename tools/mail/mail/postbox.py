"""The mails that came, in memory only and bounded, and a record of what the server answered."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from mail.bell import Bell
from mail.message import Mail, read

RECORD = 10_000  # answers that are kept


class Answer(BaseModel):
    """What a client was told about a recipient or a mail. `lost`: the mail was kept and the client told nothing."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    seq: int
    at: datetime
    what: Literal["accepted", "lost", "refused", "deferred"]
    sender: str
    recipients: tuple[str, ...]
    mail_id: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    mail: Mail
    raw: bytes


class Postbox:
    def __init__(self, now: Callable[[], datetime], keep: int) -> None:
        self._now = now
        self._kept: deque[Kept] = deque(maxlen=keep)
        self._answers: deque[Answer] = deque(maxlen=RECORD)
        self._news = Bell()
        self._closed = False
        self._last = 0
        self._last_answer = 0

    @property
    def last(self) -> int:
        """The id of the newest mail; ids rise by one, also over a `clear`."""
        return self._last

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, sender: str, recipients: tuple[str, ...], raw: bytes) -> Mail:
        self._last += 1
        mail = read(self._last, self._now(), sender, recipients, raw)
        self._kept.append(Kept(mail, raw))
        self._news.ring()
        return mail

    def note(
        self,
        what: Literal["accepted", "lost", "refused", "deferred"],
        sender: str,
        recipients: tuple[str, ...],
        mail_id: int | None = None,
    ) -> None:
        self._last_answer += 1
        self._answers.append(
            Answer(
                seq=self._last_answer,
                at=self._now(),
                what=what,
                sender=sender,
                recipients=recipients,
                mail_id=mail_id,
            )
        )

    def answers(self, after: int) -> list[Answer]:
        return [answer for answer in self._answers if answer.seq > after]

    def get(self, mail_id: int) -> Kept | None:
        return next((kept for kept in self._kept if kept.mail.id == mail_id), None)

    def find(self, to: str | None, after: int, limit: int) -> Sequence[Mail]:
        """Oldest first."""
        fitting = [kept.mail for kept in self._kept if kept.mail.id > after and (to is None or kept.mail.is_to(to))]
        return fitting[:limit]

    async def wait(self, to: str | None, after: int, limit: int, seconds: float) -> Sequence[Mail]:
        """As `find`, but waits up to `seconds` for the first that fits. Empty: it did not come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            found = self.find(to, after, limit)
            left = deadline - loop.time()
            if found or left <= 0 or self._closed:
                return found
            await self._news.hear(left)

    def clear(self) -> None:
        self._kept.clear()
        self._answers.clear()

    def close(self) -> None:
        """Nobody waits any longer, now or later: the process ends."""
        self._closed = True
        self._news.ring()
