"""Paging: how many, and where a page begins."""

import base64
import binascii
import json
from typing import Annotated, Final

from pydantic import Field

from console.problems import Refusal, invalid
from console.registry import Parameters

LIMIT: Final = 50
MAX_LIMIT: Final = 100
MAX_CURSOR: Final = 1000  # characters

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
CursorText = Annotated[str, Field(min_length=1, max_length=MAX_CURSOR)]


class PageQuery(Parameters):
    """`cursor`: what the page before told as `next`."""

    limit: Limit = LIMIT
    cursor: CursorText | None = None


def encoded(*parts: str) -> str:
    """A place in a list, opaque to clients."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decoded(cursor: str | None, parts: int) -> list[str] | None:
    """What `encoded` was given; None without a cursor. Raises `Refusal` (422) for one that we did not make."""
    if cursor is None:
        return None
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise bad_cursor() from None
    if not isinstance(found, list) or len(found) != parts:
        raise bad_cursor()
    if not all(isinstance(part, str) and "\0" not in part for part in found):
        raise bad_cursor()
    return found


def bad_cursor() -> Refusal:
    return invalid("cursor", "it is none that this list gave out")
