"""The times that Facebook tells: milliseconds, seconds, ISO 8601, text, nothing."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = datetime(2004, 2, 4, tzinfo=UTC)
"""Facebook's first day: what claims to be older was not told as a time."""
LATEST: Final = timedelta(days=1)
"""How far ahead of our own clock a time may be. One from the far future would outrank every later fact."""
SECONDS_BELOW: Final = 10**12
"""A number below this is seconds, from here on milliseconds."""


def told_time(value: object, *, received: datetime) -> datetime | None:
    """The time that `value` tells, in UTC; None where it tells none that can be true."""
    time = _parsed(value)
    if time is None or not EARLIEST <= time <= received + LATEST:
        return None
    return time


def _parsed(value: object) -> datetime | None:
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_number(value)
    return None


def _from_text(text: str) -> datetime | None:
    try:
        return _from_number(float(text))
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def _from_number(number: float) -> datetime | None:
    try:
        if not math.isfinite(number):
            return None
        since = timedelta(seconds=number) if abs(number) < SECONDS_BELOW else timedelta(milliseconds=number)
        return EPOCH + since
    except OverflowError:
        return None
