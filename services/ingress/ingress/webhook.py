"""The envelope of a webhook: from the body's bytes to the elements of its arrays, each with its place."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import orjson

from ingress.spans import Path
from schemas.base import PAGE_EVENTS, BadConversationId, ConversationId

Array = Literal["messaging", "standby", "changes"]
ARRAYS: Final[tuple[Array, ...]] = ("messaging", "standby", "changes")
MAX_ELEMENTS: Final = 25_000
"""More cannot stand in a body of 1 MiB and be events."""
TEST_PAGE: Final = "0"
"""The page of the App Dashboard's *Test* button."""
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")


class NotJson(Exception):
    """The body is not a JSON document."""


class Element(NamedTuple):
    """One element of an array of an entry."""

    path: Path
    page: str
    array: Array
    entry_time: object
    value: object


@dataclass(frozen=True, slots=True)
class Broken:
    """A part of a webhook that cannot be an event: it goes to the dead letters.

    `page` is empty where even that is not known. `array` is empty where more than an element is broken.
    """

    path: Path
    error: str
    reason: Literal["undecodable", "unaddressed"] = "undecodable"
    page: str = ""
    array: str = ""
    customer: str = PAGE_EVENTS
    entry_time: object = None


def document(body: bytes) -> object:
    """The JSON value that `body` is. Raise NotJson.

    Half a surrogate pair and NUL become U+FFFD: the first cannot be written as UTF-8, the second not be stored as text.
    """
    try:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _cleaned(json.loads(body.decode(), parse_constant=_no_constant))
        return _cleaned(value) if b"\\u0000" in body else value
    except (ValueError, RecursionError) as error:
        raise NotJson(type(error).__name__) from None


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _UNWRITABLE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_cleaned(element) for element in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
    return value


def is_page(body: object) -> bool:
    """Whether the webhook is about a Facebook page."""
    return isinstance(body, dict) and body.get("object") == "page"


def elements(body: object) -> Iterator[Element | Broken]:
    """The elements of all entries, in the body's order. An array that came as a single object is one element."""
    entries = body.get("entry") if isinstance(body, dict) else None
    for path, entry in _listed(entries, ("entry",)):
        yield from _of_entry(path, entry)


def _listed(value: object, path: Path) -> list[tuple[Path, object]]:
    if isinstance(value, list):
        return [((*path, index), element) for index, element in enumerate(value)]
    return [] if value is None else [(path, value)]


def _of_entry(path: Path, entry: object) -> Iterator[Element | Broken]:
    if not isinstance(entry, dict):
        yield Broken(path, "the entry is no object")
        return
    page = _page(entry.get("id"))
    if page is None:
        yield Broken(path, "the entry names no page")
        return
    told = entry.get("time")
    for array in [key for key in entry if key in ARRAYS]:
        for place, value in _listed(entry[array], (*path, array)):
            yield Element(place, page, array, told, value)


def _page(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return _account(str(value).strip())


@lru_cache(maxsize=4096)  # pages, a hundred bytes each
def _account(text: str) -> str | None:
    try:
        return ConversationId.parse(f"messenger:{text}:{PAGE_EVENTS}").account
    except BadConversationId:
        return None
