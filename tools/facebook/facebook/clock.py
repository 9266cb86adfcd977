"""The box's time: the real one, moved forward on demand, so that 24 hours need not be waited for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, by: timedelta) -> None:
        self.ahead += by


def milliseconds(at: datetime) -> int:
    """A webhook's timestamp: milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)
