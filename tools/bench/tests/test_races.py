"""What is counted in a race is what happened: each kind of harm, planted, is seen."""

from dataclasses import replace

import pytest

from bench.graph import Sent
from bench.races import Race, Recorded, commanded_over, judge
from schemas.commands import SendMessage
from schemas.messages import OutMessage, Person, Speaker

RACE = Race("quick", "7", "operator:ana:1", "Ana here", posted=100.0, taken=100.004, next=101.0, over=102.0)
RECORDED = Recorded({RACE.command: 100.01}, suppressed=0, returned_late=(), commanded_over=0)
OPERATOR = Sent("7", "m_2", "", "Ana here", 100.02)


def bot(at):
    return Sent("7", "m_1", "", "We are open from 9 to 19.", at)


def verdict(*sent, recorded=RECORDED, bot="quick"):
    return judge([RACE], sorted(sent, key=lambda each: each.at), recorded, bot)


def test_bot_that_is_silent_behind_the_operator_harms_nobody():
    found = verdict(OPERATOR)
    assert (found.races, found.spoke_over, found.answered_next, found.lost, found.bot_first) == (1, 0, 0, 0, 0)
    assert (found.taken, found.accepted, found.left) == (
        [pytest.approx(0.004)],
        [pytest.approx(0.01)],
        [pytest.approx(0.02)],
    )
    assert found.silence == [0.0]


def test_answer_that_left_before_the_operators_message_is_no_second_voice_but_counts_as_time_to_silence():
    found = verdict(bot(100.015), OPERATOR)
    assert (found.spoke_over, found.answered_next, found.bot_first) == (0, 0, 1)
    assert found.silence == [pytest.approx(0.005)]


def test_bot_that_speaks_behind_the_operator_is_seen():
    assert verdict(OPERATOR, bot(100.5)).spoke_over == 1


def test_bot_that_answers_the_next_message_is_seen():
    found = verdict(OPERATOR, bot(101.5))
    assert (found.spoke_over, found.answered_next) == (0, 1)


def test_what_the_bot_says_once_the_conversation_is_its_own_again_is_no_harm():
    found = verdict(OPERATOR, bot(103.0))
    assert (found.spoke_over, found.answered_next) == (0, 0)


@pytest.mark.parametrize("sent", [(), (OPERATOR, replace(OPERATOR, mid="m_3", at=100.03))])
def test_operators_message_that_left_never_or_twice_is_lost(sent):
    assert verdict(*sent).lost == 1


def test_operators_message_that_takeover_refused_is_lost():
    assert verdict(OPERATOR, recorded=replace(RECORDED, accepted={})).lost == 1


def test_races_with_the_other_bot_are_left_out():
    assert verdict(OPERATOR, bot="slow").races == 0


def command(speaker, epoch):
    return SendMessage(
        id=f"{speaker}{epoch}",
        conversation="messenger:1:7",
        epoch=epoch,
        seq=1,
        at="2026-01-01T00:00:00Z",
        speaker=speaker,
        operator=Person(id="ana", name="Ana") if speaker == Speaker.OPERATOR else None,
        message=OutMessage(text="said"),
    )


def test_bots_command_behind_a_persons_counts_until_that_takeover_has_ended():
    before, person, over, after = (
        command(Speaker.BOT, 0),
        command(Speaker.OPERATOR, 1),
        command(Speaker.BOT, 0),
        command(Speaker.BOT, 2),
    )
    assert commanded_over([before, person, after]) == 0
    assert commanded_over([before, person, over, after]) == 1
