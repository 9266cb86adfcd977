"""Where a value stands in the bytes of a JSON document, so that a dead letter holds what was really sent."""

import json
from collections.abc import Iterator
from typing import Final

Path = tuple[str | int, ...]
"""Keys and indexes from the document's top to the value."""

_SCAN: Final = json.JSONDecoder(strict=False)
_BLANK: Final = " \t\n\r"


class Spans:
    """Finds values in one JSON document that is known to be well-formed.

    The bytes are read as Latin-1: a character is a byte then, and what gives JSON its structure is ASCII.
    Containers that were walked once are remembered: many elements of one array cost one walk.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._text = body.decode("latin-1")
        self._walked: dict[Path, dict[str | int, tuple[int, int]]] = {}

    def cut(self, path: Path) -> bytes:
        """The original bytes of the value at `path`; raise KeyError where there is none."""
        start, end = self._span(path)
        return self._body[start:end]

    def _span(self, path: Path) -> tuple[int, int]:
        if not path:
            return self._skip(0), len(self._text.rstrip(_BLANK))
        parent = path[:-1]
        if parent not in self._walked:
            self._walked[parent] = dict(self._children(self._span(parent)[0]))
        return self._walked[parent][path[-1]]

    def _children(self, start: int) -> Iterator[tuple[str | int, tuple[int, int]]]:
        opening = self._text[start]
        if opening == "{":
            yield from self._members(start)
        elif opening == "[":
            yield from self._elements(start)

    def _members(self, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
        at = self._skip(start + 1)
        while self._text[at] != "}":
            key, at = _SCAN.raw_decode(self._text, at)
            begin = self._skip(self._skip(at) + 1)  # past the colon
            at = self._end(begin)
            yield key, (begin, at)
            at = self._next(at)

    def _elements(self, start: int) -> Iterator[tuple[int, tuple[int, int]]]:
        at = self._skip(start + 1)
        index = 0
        while self._text[at] != "]":
            end = self._end(at)
            yield index, (at, end)
            at = self._next(end)
            index += 1

    def _end(self, start: int) -> int:
        return _SCAN.raw_decode(self._text, start)[1]

    def _next(self, at: int) -> int:
        """The next element's start, or the closing bracket."""
        at = self._skip(at)
        return self._skip(at + 1) if self._text[at] == "," else at

    def _skip(self, at: int) -> int:
        while self._text[at] in _BLANK:
            at += 1
        return at
