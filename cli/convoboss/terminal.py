"""What a terminal can show: colours where they are wanted, and never a control character out of a customer's text."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TextIO

_CODES: Final = {
    "dim": "2",
    "bold": "1",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_SHORT: Final = {"\n": "⏎", "\r": "␍", "\t": "→"}
# Control characters move the cursor or set colours; the direction marks turn a line around.
_HIDDEN: Final = frozenset(
    [*range(0x20), *range(0x7F, 0xA0), 0x061C, *range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
)
_VISIBLE: Final = {code: _SHORT.get(chr(code), f"\\u{code:04x}") for code in _HIDDEN}
_ESCAPED: Final = {code: f"\\u{code:04x}" for code in _HIDDEN}


def visible(text: str) -> str:
    """`text` in one line, with signs for what would otherwise act on the terminal."""
    return text.translate(_VISIBLE)


def escaped(json: str) -> str:
    """The same for a line of JSON, which stays JSON: such characters occur in its strings only."""
    return json.translate(_ESCAPED)


@dataclass(frozen=True, slots=True)
class Look:
    """How lines look: with colours or without, wrapped to `width` columns or, where it is None, each in one line."""

    colours: bool
    width: int | None

    @classmethod
    def of(cls, stream: TextIO = sys.stdout) -> "Look":
        """Colours and wrapping are for a terminal only, colours also not with NO_COLOR (https://no-color.org)."""
        if not stream.isatty():
            return cls(colours=False, width=None)
        wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(colours=wanted, width=shutil.get_terminal_size().columns)

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colours and text else text


def columns(text: str) -> int:
    """How wide `text` is: letters of East Asia and emoji take two columns, combining marks none."""
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def wrapped(text: str, width: int) -> Iterator[str]:
    """`text` in lines of at most `width` columns, broken at spaces where there are some."""
    line, used = "", 0
    for word in text.split(" "):
        space = 1 if line else 0
        if used + space + columns(word) <= width:
            line, used = f"{line}{' ' * space}{word}", used + space + columns(word)
            continue
        if line:
            yield line
        *whole, line = _pieces(word, width)
        yield from whole
        used = columns(line)
    if line:
        yield line


def _pieces(word: str, width: int) -> Iterator[str]:
    piece, used = "", 0
    for letter in word:
        if used + _columns(letter) > width and piece:
            yield piece
            piece, used = "", 0
        piece, used = piece + letter, used + _columns(letter)
    yield piece
