"""`{{attribute}}` in texts. `{{first_name|there}}` says what to write where the attribute is unknown or empty."""

import re
from collections.abc import Mapping
from typing import Final

PROFILE_NAMES: Final = ("first_name", "last_name", "name")
"""Known of every customer whose profile the channel tells; an attribute of the same name wins."""

_MARK: Final = re.compile(r"\{\{\s*(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})\s*(?:\|(?P<default>[^{}]*))?\}\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its marks replaced. What a value holds is never looked into again."""
    if "{{" not in text:
        return text
    return _MARK.sub(lambda mark: values.get(mark["name"]) or (mark["default"] or "").strip(), text)


def without_marks(text: str) -> str:
    """What is said of `text` whatever the attributes are."""
    return _MARK.sub("", text)


def names(text: str) -> frozenset[str]:
    """The attributes that `text` asks for."""
    return frozenset(mark["name"] for mark in _MARK.finditer(text))


def is_malformed(text: str) -> bool:
    """Whether braces are left that look like a mark and are none; they would be said as they stand."""
    rest = without_marks(text)
    return "{{" in rest or "}}" in rest
