"""Progress of the turns, told from offsets alone."""

from flow_engine.lag import Progress, Standing


def test_a_partition_with_nothing_waiting_is_never_idle():
    progress = Progress()
    for now in (0.0, 100.0, 1000.0):
        assert progress.idle({0: Standing(committed=5, end=5)}, now) == {}


def test_a_partition_is_idle_from_when_turns_waited_without_one_being_answered():
    progress = Progress()
    assert progress.idle({0: Standing(5, 5), 1: Standing(0, 1)}, 0.0) == {}
    assert progress.idle({0: Standing(5, 9), 1: Standing(0, 1)}, 10.0) == {0: 10.0, 1: 10.0}
    assert progress.idle({0: Standing(6, 9), 1: Standing(0, 1)}, 20.0) == {1: 20.0}
    assert progress.idle({0: Standing(6, 9), 1: Standing(1, 1)}, 30.0) == {0: 10.0}


def test_a_partition_that_left_and_came_again_begins_anew():
    progress = Progress()
    progress.idle({0: Standing(0, 1)}, 0.0)
    progress.idle({}, 50.0)
    assert progress.idle({0: Standing(0, 1)}, 100.0) == {}
    assert progress.idle({0: Standing(0, 1)}, 101.0) == {0: 1.0}


def test_an_end_behind_what_was_committed_is_nothing_waiting():
    assert Standing(committed=9, end=3).waiting == 0
