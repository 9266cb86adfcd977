"""Lengths as a channel counts them, and texts cut where no reader sees a broken letter.

Facebook does not say in which unit it counts; UTF-16 units are the most that it can be, so what fits in them fits.
Letters as people see them are Unicode's extended grapheme clusters: https://www.unicode.org/reports/tr29/
"""

import re
import unicodedata
from typing import Final

ZERO_WIDTH_JOINER: Final = "\u200d"
VIRAMA: Final = 9  # the combining class of the signs that join two consonants in Indic scripts
FAR: Final = 64  # code points that are looked back for a place to cut; no letter that people write is longer

_SENTENCE_END: Final = re.compile(r"[.!?…。？！]['\")\]»”’]*\s|[。？！]|\n")  # noqa: RUF001 - full-width signs end sentences too


def units(text: str) -> int:
    """UTF-16 units, of which an emoji has two or more."""
    return len(text) if text.isascii() else len(text) + sum(letter > "\uffff" for letter in text)


def cut(text: str, limit: int) -> str:
    """The beginning of `text` that has at most `limit` units, without a broken letter at its end."""
    return text if units(text) <= limit else text[: _whole(text, _fitting(text, limit))].rstrip()


def split(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` units: cut after a sentence, else at a space, else between two letters.

    A letter of more than `limit` units is cut between its code points. Nothing but white space is lost.
    """
    pieces: list[str] = []
    rest = text.strip()
    while units(rest) > limit:
        end = _cut(rest, limit)
        if piece := rest[:end].rstrip():
            pieces.append(piece)
        rest = rest[end:].lstrip()
    return [*pieces, rest] if rest else pieces


def _fitting(text: str, limit: int) -> int:
    """How many code points fit; at least one, which a limit of one unit may not."""
    end = used = 0
    for letter in text:
        used += 2 if letter > "\uffff" else 1
        if used > limit:
            break
        end += 1
    return max(end, 1)


def _whole(text: str, end: int) -> int:
    """The last place up to `end` between two letters; `end` where a single letter goes on for too long."""
    for place in range(end, max(0, end - FAR), -1):
        if is_between(text, place):
            return place
    return end


def _cut(text: str, limit: int) -> int:
    end = _fitting(text, limit)
    window = text[: end + 1]  # a white space just behind it is as good
    sentences = (match.end() for match in _SENTENCE_END.finditer(window))
    sentence = max((place for place in sentences if place <= end and is_between(text, place)), default=0)
    if sentence > end // 2:
        return sentence
    for place in range(end, 0, -1):
        if text[place].isspace() and is_between(text, place) and is_between(text, place + 1):
            return place
    return _whole(text, end)


def is_between(text: str, place: int) -> bool:
    """Whether `text` may be cut at `place`, so that both sides keep whole letters. Source: rules GB3 to GB13."""
    if place <= 0 or place >= len(text):
        return True
    before, after = text[place - 1], text[place]
    if before == "\r" and after == "\n":
        return False
    if before in "\r\n" or after in "\r\n":
        return True
    if before.isascii() and after.isascii():
        return True
    if _extends(after) or _prepends(before) or _joins_hangul(before, after):
        return False
    if before == ZERO_WIDTH_JOINER and not after.isspace():
        return False  # an emoji made of several; joined letters of scripts are kept together too
    if unicodedata.combining(before) == VIRAMA and unicodedata.category(after) == "Lo":
        return False
    if _is_regional(before) and _is_regional(after):
        return _flags_before(text, place) % 2 == 0
    return True


def _extends(letter: str) -> bool:
    """Marks, joiners, skin tones, and the tags of which some flags are made."""
    return (
        unicodedata.category(letter) in {"Mn", "Me", "Mc"}
        or letter in "\u200c\u200d\uff9e\uff9f"
        or "\U0001f3fb" <= letter <= "\U0001f3ff"
        or "\U000e0020" <= letter <= "\U000e007f"
    )


def _prepends(letter: str) -> bool:
    return "\u0600" <= letter <= "\u0605" or letter in "\u06dd\u070f\u08e2\U000110bd\U000110cd"


def _joins_hangul(before: str, after: str) -> bool:
    """Korean letters that stand for themselves and are written as one syllable."""
    leading, vowel, trailing = "\u1100" <= before <= "\u115f", _is_vowel(before), "\u11a8" <= before <= "\u11ff"
    syllable = "\uac00" <= before <= "\ud7a3"
    if "\u1100" <= after <= "\u115f" or "\uac00" <= after <= "\ud7a3":
        return leading
    if _is_vowel(after):
        return leading or vowel or (syllable and (ord(before) - 0xAC00) % 28 == 0)
    return "\u11a8" <= after <= "\u11ff" and (vowel or trailing or syllable)


def _is_vowel(letter: str) -> bool:
    return "\u1160" <= letter <= "\u11a7"


def _is_regional(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _flags_before(text: str, place: int) -> int:
    count = 0
    while count < place and count < FAR and _is_regional(text[place - 1 - count]):
        count += 1
    return count
