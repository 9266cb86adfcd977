"""What a customer wrote, compared with what a builder wrote."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

from schemas.flows import Keyword

_SPACES: Final = re.compile(r"\s+")
# Scripts written without spaces, where a word has no edge to look for: Thai and Lao, Myanmar, Khmer. East Asian ones
# are found by their width.
_UNSPACED: Final = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))


def plain(text: str) -> str:
    """`text` without case, width, outer punctuation and repeated spaces."""
    folded = _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return folded.strip("!\"#$%&'()*,./:;<=>?@[\\]^_`{|}~¡¿…“”„«»、。「」 ") or folded


def keyword_block(keywords: Iterable[Keyword], text: str) -> str | None:
    """The block that `text` leads to: first by a keyword that it equals, then by one that it contains."""
    said = plain(text)
    if not said:
        return None
    exact = contained = None
    for keyword in keywords:
        for word in keyword.words:
            if exact is None and plain_word(word) == said:
                exact = keyword.to
            if contained is None and keyword.match == "contains" and _pattern(word).search(said):
                contained = keyword.to
    return exact or contained


@lru_cache(maxsize=10_000)
def plain_word(word: str) -> str:
    return plain(word)


@lru_cache(maxsize=10_000)
def _pattern(word: str) -> re.Pattern[str]:
    """Finds `word` as a whole word: `hi` is not in `this`."""
    sought = plain_word(word)
    before = r"(?<!\w)" if _has_edge(sought[:1]) else ""
    after = r"(?!\w)" if _has_edge(sought[-1:]) else ""
    return re.compile(before + re.escape(sought) + after)


def _has_edge(character: str) -> bool:
    if not character or any(first <= ord(character) <= last for first, last in _UNSPACED):
        return False
    width: Literal["A", "F", "H", "N", "Na", "W"] = unicodedata.east_asian_width(character)
    return width not in {"W", "F"}
