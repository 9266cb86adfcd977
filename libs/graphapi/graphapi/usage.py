"""What Facebook's headers say of its limits: how much of them is used, and when calls are taken again. Pure.

Source: Meta's rate limiting page. `X-Business-Use-Case-Usage` is JSON: {id: [{type, call_count, total_cputime, total_time,
estimated_time_to_regain_access}]}, percent and minutes. `X-App-Usage` and `X-Page-Usage` are the percents alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

BUSINESS: Final = "X-Business-Use-Case-Usage"
OTHERS: Final = ("X-App-Usage", "X-Page-Usage")
RETRY_AFTER: Final = "Retry-After"
PERCENTS: Final = ("call_count", "total_cputime", "total_time")
REGAIN: Final = "estimated_time_to_regain_access"
LONGEST: Final = 24 * 3600.0  # seconds; what claims to last longer is looked at again after this
HEADER_LIMIT: Final = 16 * 1024  # characters


@dataclass(frozen=True, slots=True)
class Usage:
    """`percent` of the fullest limit; over 100 is possible. `regain_after`: seconds until calls are taken again, 0: now.

    `wait`: seconds that this answer asks to wait before the same request again.
    """

    percent: float = 0.0
    regain_after: float = 0.0
    wait: float = 0.0


NONE: Final = Usage()


def read(headers: Mapping[str, str]) -> Usage:
    """Whatever cannot be read says nothing."""
    business, retry = headers.get(BUSINESS), headers.get(RETRY_AFTER)
    others = [value for name in OTHERS if (value := headers.get(name))]
    if business is None and retry is None and not others:
        return NONE
    entries = [*_business(business), *(_object(value) for value in others)]
    return Usage(
        percent=max((_number(entry.get(name)) for entry in entries for name in PERCENTS), default=0.0),
        regain_after=min(max((_number(entry.get(REGAIN)) * 60.0 for entry in entries), default=0.0), LONGEST),
        wait=min(_number(retry), LONGEST),
    )


def _business(value: str | None) -> Iterable[dict[str, Any]]:
    for listed in _object(value).values():
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict):
                yield entry


def _object(value: str | None) -> dict[str, Any]:
    if not value or len(value) > HEADER_LIMIT:
        return {}
    try:
        parsed = from_json(value)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _number(value: object) -> float:
    """0 for what is no number, or none that can be meant. Retry-After may also be a date: it is then not followed."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return 0.0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return number if 0.0 <= number < 1e9 else 0.0
