"""What a person reads while waiting: nothing for short waits, a reason for long ones."""

import io

import pytest

from local.status import Board, Kind


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def lines(out, clock):
    return Board(out, live=False, clock=clock)


def test_a_wait_under_a_second_is_not_mentioned(lines, out, clock):
    lines.set("Kafka", Kind.STARTING, "a record")
    clock.now += 0.9
    lines.refresh()
    assert out.getvalue() == ""


def test_a_longer_wait_says_what_it_waits_for_and_repeats_itself_rarely(lines, out, clock):
    lines.set("Kafka", Kind.STARTING, "a record")
    for _ in range(30):
        clock.now += 0.2
        lines.refresh()
    assert out.getvalue().splitlines() == [
        "  waiting for Kafka: a record (1 s)",
        "  waiting for Kafka: a record (6 s)",
    ]


def test_those_who_wait_for_the_same_share_a_line(lines, out, clock):
    lines.set("takeover", Kind.STARTING, "Kafka")
    lines.set("notifier", Kind.STARTING, "Kafka")
    clock.now += 1.2
    lines.refresh()
    assert out.getvalue() == "  waiting for takeover, notifier: Kafka (1 s)\n"


def test_health_that_came_back_is_told_from_a_first_readiness(lines, out, clock):
    lines.set("takeover", Kind.FAILING, "no database")
    clock.now += 3
    lines.set("takeover", Kind.READY)
    assert out.getvalue().splitlines()[-1] == "  takeover is ready again (3.0 s)"


def test_a_change_of_health_is_a_line_and_the_same_again_is_none(lines, out):
    lines.set("takeover", Kind.FAILING, "consumer: stuck")
    lines.set("takeover", Kind.FAILING, "consumer: stuck")
    assert out.getvalue() == "  takeover is not ready: consumer: stuck\n"


def test_a_ready_process_is_said_with_the_seconds_it_took(lines, out, clock):
    lines.set("Kafka", Kind.STARTING)
    clock.now += 2.1
    lines.set("Kafka", Kind.READY)
    assert out.getvalue() == "  Kafka is ready (2.1 s)\n"


def test_on_a_terminal_the_block_is_erased_before_it_is_drawn_again(out, clock):
    board = Board(out, live=True, clock=clock)
    board.set("Kafka", Kind.STARTING, "a record")
    board.set("Kafka", Kind.READY)
    assert out.getvalue().count("ready 0/1") == 1
    assert out.getvalue().endswith("\x1b[3F\x1b[J" + "─" * 60 + "\nready 1/1: Kafka\n")


def test_a_terminal_that_went_away_does_not_stop_the_stack(clock):
    class Gone(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    Board(Gone(), live=False, clock=clock).say("goodbye")
