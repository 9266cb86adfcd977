"""The `fields` parameter of a reading call: names, with what is wanted inside them in braces."""

import re
from dataclasses import dataclass

from facebook.errors import InvalidParameter

TOKEN = re.compile(r"\s*([A-Za-z0-9_]+|\.limit\(\d+\)|[{},])\s*")
LENGTH = 2000  # characters of the parameter that are read
DEPTH = 4


@dataclass(frozen=True, slots=True)
class Field:
    """`messages.limit(5){id,from}` is Field("messages", 5, (Field("id"), Field("from")))."""

    name: str
    limit: int | None = None
    inner: tuple["Field", ...] = ()


def parse(text: str) -> tuple[Field, ...]:
    """Raises InvalidParameter."""
    tokens = _tokens(text)
    fields = _list(tokens, DEPTH)
    if tokens:
        raise _bad()
    return fields


def _tokens(text: str) -> list[str]:
    """In reverse: the next one is the last."""
    tokens, at = [], 0
    text = text[:LENGTH]
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise _bad()
        tokens.append(found[1])
        at = found.end()
    tokens.reverse()
    return tokens


def _list(tokens: list[str], depth: int) -> tuple[Field, ...]:
    fields: list[Field] = []
    while tokens and tokens[-1] != "}":
        fields.append(_field(tokens, depth))
        if not tokens or tokens[-1] != ",":
            break
        tokens.pop()
    return tuple(fields)


def _field(tokens: list[str], depth: int) -> Field:
    name = tokens.pop()
    if depth == 0 or not name[0].isalnum():
        raise _bad()
    limit = int(tokens.pop()[7:-1]) if tokens and tokens[-1].startswith(".limit(") else None
    if not tokens or tokens[-1] != "{":
        return Field(name, limit)
    tokens.pop()
    inner = _list(tokens, depth - 1)
    if not tokens or tokens[-1] != "}":
        raise _bad()
    tokens.pop()
    return Field(name, limit, inner)


def _bad() -> InvalidParameter:
    return InvalidParameter("Syntax error in the parameter fields")
