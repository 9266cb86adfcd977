"""Which turns go alone, so that one that ends its process harms no other."""

from flow_engine.care import CAREFUL, Care, by_care, is_asked_again
from schemas import envelope
from schemas.turns import TurnAsked, TurnInput

FIRST = b'{"attempt":1,"x":2}'
AGAIN = b'{"attempt":2,"x":2}'


def parts(values: list[bytes | None], taken: int = CAREFUL) -> list[tuple[Care, int]]:
    return [(care, len(part)) for care, part in by_care(values, lambda value: value, taken)]


def test_turns_that_are_asked_for_the_first_time_go_together():
    assert parts([FIRST] * 40) == [(Care.TOGETHER, 40)]
    assert parts([None, FIRST]) == [(Care.TOGETHER, 2)], "no turn at all is a dead letter, whoever takes it"


def test_a_turn_that_is_asked_again_goes_alone_in_its_place():
    assert parts([FIRST, FIRST, AGAIN, FIRST]) == [(Care.TOGETHER, 2), (Care.SUSPECT, 1), (Care.TOGETHER, 1)]


def test_after_an_assignment_the_first_is_under_suspicion_and_some_more_go_one_by_one():
    assert parts([FIRST] * 3, taken=0) == [(Care.SUSPECT, 1), (Care.ALONE, 1), (Care.ALONE, 1)]
    assert parts([FIRST] * 5, taken=CAREFUL - 2) == [(Care.ALONE, 1), (Care.ALONE, 1), (Care.TOGETHER, 3)]


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
