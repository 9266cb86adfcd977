"""Keywords: what counts as having said them."""

import pytest

from flow_engine.words import keyword_block, plain
from schemas.flows import Keyword


def keywords(*rows: tuple[str, str, str]) -> list[Keyword]:
    return [Keyword.model_validate({"words": [word], "match": match, "to": to}) for word, match, to in rows]


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("Help", "help"),
        ("  help! ", "help"),
        ("HELP\n me", "help me"),
        ("ＨＥＬＰ", "help"),  # noqa: RUF001 - full-width letters are the point
        ("straße", "strasse"),
        ("?!", "?!"),
        ("👍", "👍"),
        ("", ""),
    ],
)
def test_case_width_spaces_and_outer_punctuation_do_not_count(said, same):
    assert plain(said) == same


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("help", "exact"),
        ("Help!", "exact"),
        ("help me", None),
        ("I want a person, please", "person"),
        ("a persona", None),
        ("what about Öffnungszeiten?", "umlaut"),
        ("请问营业时间是几点", "wide"),
        ("ขอเวลาทำการหน่อย", "thai"),
        ("this", None),
        ("c++ (really)", "cpp"),
        ("", None),
        ("   ", None),
    ],
)
def test_a_keyword_is_found_as_a_whole_word_in_scripts_that_have_spaces_and_anywhere_in_others(said, found):
    rows = keywords(
        ("help", "exact", "exact"),
        ("hi", "contains", "hi"),
        ("a person", "contains", "person"),
        ("öffnungszeiten", "contains", "umlaut"),
        ("营业时间", "contains", "wide"),
        ("เวลาทำการ", "contains", "thai"),
        ("c++", "contains", "cpp"),
    )
    assert keyword_block(rows, said) == found


def test_what_was_said_exactly_wins_over_what_is_only_contained_and_the_first_of_equals_wins():
    rows = keywords(
        ("book", "contains", "contained"), ("book a visit", "exact", "first"), ("book a visit", "exact", "second")
    )
    assert keyword_block(rows, "Book a visit") == "first"
    assert keyword_block(rows, "Book me a visit") == "contained"
