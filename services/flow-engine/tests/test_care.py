"""Which turns go alone, so that one that ends its process harms no other."""

from hypothesis import given
from hypothesis import strategies as st

from flow_engine.care import CAREFUL, WARY, Care, by_care, is_asked_again
from schemas import envelope
from schemas.turns import TurnAsked, TurnInput

FIRST = b'{"attempt":1,"x":2}'
AGAIN = b'{"attempt":2,"x":2}'


def parts(values: list[bytes | None], taken: int = WARY) -> list[tuple[Care, int]]:
    return [(care, len(part)) for care, part in by_care(values, lambda value: value, taken)]


def test_turns_that_are_asked_for_the_first_time_go_together():
    assert parts([FIRST] * 40) == [(Care.TOGETHER, 40)]
    assert parts([None, FIRST]) == [(Care.TOGETHER, 2)], "no turn at all is a dead letter, whoever takes it"


def test_a_turn_that_is_asked_again_goes_alone_in_its_place():
    assert parts([FIRST, FIRST, AGAIN, FIRST]) == [(Care.TOGETHER, 2), (Care.SUSPECT, 1), (Care.TOGETHER, 1)]


def test_after_an_assignment_the_first_is_under_suspicion_and_some_more_go_one_by_one():
    assert parts([FIRST] * 3, taken=0) == [(Care.SUSPECT, 1), (Care.TOLD, 1), (Care.TOLD, 1)]
    assert parts([FIRST] * 5, taken=CAREFUL - 2) == [(Care.TOLD, 1), (Care.TOLD, 1), (Care.TOLD, 3)]


def test_then_parts_double_until_there_is_no_more_suspicion():
    sizes = [size for _, size in parts([FIRST] * 3000, taken=0)]
    assert sizes == [1] * CAREFUL + [CAREFUL * 2**n for n in range(6)] + [3000 - CAREFUL * 2**6]
    assert parts([FIRST] * 3000, taken=0)[-1] == (Care.TOGETHER, 3000 - CAREFUL * 2**6)


@given(st.lists(st.sampled_from([FIRST, AGAIN, None]), max_size=400), st.integers(0, 1200))
def test_every_turn_is_in_one_part_in_its_order(values, taken):
    found = list(by_care(list(enumerate(values)), lambda each: each[1], taken))
    assert [each for _, part in found for each in part] == list(enumerate(values))
    assert all(len(part) == 1 for care, part in found if care is Care.SUSPECT)


@given(st.integers(0, 500))
def test_a_turn_that_ends_the_process_comes_first_after_a_few_starts(fatal):
    """Anywhere in a batch: what was told to the broker is behind the next start."""
    starts = 0
    while fatal:
        place = 0
        for _, part in by_care([FIRST] * (fatal + 1000), lambda value: value, 0):
            if place + len(part) > fatal:
                break
            place += len(part)
        fatal, starts = fatal - place, starts + 1
    assert starts <= 10


def test_the_asking_is_read_from_the_record_as_the_switch_writes_it_whatever_the_customer_says():
    for attempt, text in ((1, "hi"), (2, '"attempt":1,'), (11, '{"attempt":1,}')):
        turn = TurnAsked(
            id="t",
            conversation="messenger:1:2",
            bot="salon",
            turn="t",
            epoch=0,
            attempt=attempt,
            flow="salon@1",
            input=TurnInput.model_validate({"reason": "message", "message": {"text": text}}),
        )
        assert is_asked_again(envelope.encode(turn, source="takeover")[1]) == (attempt > 1)
