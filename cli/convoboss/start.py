"""Where reading begins: `beginning`, `end`, some time ago, or a point in time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

Start = Literal["beginning", "end"] | datetime

_AGO: Final = re.compile(r"-(?P<count>\d{1,9})(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FORMS: Final = (
    "beginning, end, a time ago as -30s, -5m, -2h or -1d, or a time as 2026-11-24T09:30 (UTC unless it says more)"
)


def parse_start(text: str, now: datetime) -> Start:
    """Raises ValueError with the forms that there are."""
    if text == "beginning":
        return "beginning"
    if text == "end":
        return "end"
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])})
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is none of: {FORMS}") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
