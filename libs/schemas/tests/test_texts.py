"""Texts are cut where a channel's limit wants it, and never inside what a reader sees as one letter."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.texts import cut, is_between, split, units

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
THUMB = "\U0001f44d\U0001f3fd"
FLAG = "\U0001f1e9\U0001f1ea"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
KEYCAP = "1\ufe0f\u20e3"
ACCENT = "e\u0301"
KSHA = "\u0915\u094d\u0937"
HAN = "\u1112\u1161\u11ab"
LETTERS = [FAMILY, THUMB, FLAG, ENGLAND, KEYCAP, ACCENT, KSHA, HAN, "\u0646\u0627", "a", "\U0001f600", "好"]


def letters(text: str) -> list[str]:
    """What a reader sees as letters."""
    places = [place for place in range(len(text) + 1) if is_between(text, place)]
    return [text[start:end] for start, end in pairwise(places)]


def test_an_emoji_counts_as_two() -> None:
    assert [units(text) for text in ["", "abc", "é", "\U0001f600", FAMILY]] == [0, 3, 1, 2, 11]
    assert [units(piece) for piece in split("\U0001f600" * 10, 9)] == [8, 8, 4]


@pytest.mark.parametrize("letter", LETTERS[:8])
def test_a_letter_of_several_signs_is_one(letter: str) -> None:
    assert letters(f"x{letter}y{letter}{letter}") == ["x", letter, "y", letter, letter]


@pytest.mark.parametrize("letter", LETTERS[:8])
def test_it_is_left_out_whole_where_it_does_not_fit(letter: str) -> None:
    assert cut("ab" + letter, units(letter) + 1) == "ab"
    assert split("ab" + letter * 2, units(letter) + 2) == ["ab" + letter, letter]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One two. Three four five.", ["One two.", "Three four five."]),
        ("One two three four", ["One two three", "four"]),
        ("One\ntwo three four five", ["One\ntwo three", "four five"]),
        ("x" * 20, ["x" * 17, "xxx"]),
        ("   ", []),
        ("", []),
        ("exactly seventeen", ["exactly seventeen"]),
        ("exactly seventeen x", ["exactly seventeen", "x"]),
        ("好好好好好好好好好好。好好好好好好好好好", ["好好好好好好好好好好。", "好好好好好好好好好"]),
    ],
)
def test_a_text_is_cut_after_a_sentence_else_at_a_word_else_between_letters(text: str, pieces: list[str]) -> None:
    assert split(text, 17) == pieces


def test_a_letter_that_is_longer_than_a_piece_is_cut_after_all() -> None:
    towering = "a" + "\u0301" * 500
    assert [units(piece) for piece in split(towering, 100)] == [100, 100, 100, 100, 100, 1]


TEXTS = st.lists(st.sampled_from([*LETTERS, " ", "\n", "\r\n", ". ", "! "]), max_size=80).map("".join)


@given(TEXTS, st.integers(14, 60))
def test_no_piece_is_too_long_and_the_same_letters_stand_in_the_same_order(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    seen = [letter for piece in pieces for letter in letters(piece) if not letter.isspace()]
    assert seen == [letter for letter in letters(text) if not letter.isspace()]


@given(st.text(max_size=300), st.integers(2, 60))
def test_whatever_the_text_no_piece_is_too_long_and_only_white_space_is_lost(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.text(max_size=60), st.integers(2, 30))
def test_what_is_cut_off_is_the_end(text: str, limit: int) -> None:
    kept = cut(text, limit)
    assert text.startswith(kept)
    assert units(kept) <= limit
    assert kept == text or units(text) > limit
