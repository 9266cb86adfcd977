"""When dead letters are so many that their partition stops."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.tally import LEAST, WINDOW, Limit, Tally

LIMIT = Limit(run=100, percent=20)
NONE = Limit(run=0, percent=0)


def told(*parts: int, limit: Limit = LIMIT) -> str | None:
    """Of positive numbers of records taken, and negative ones put aside, the first reason to stop."""
    tally, why = Tally(), None
    for part in parts:
        if part > 0:
            tally.taken(part)
        for _ in range(-part):
            tally.put_aside()
            why = why or tally.too_many(limit)
    return why


def test_a_hundred_in_a_row_pass_and_one_more_stops():
    assert told(WINDOW, -100) is None
    assert told(WINDOW, -101) == "101 records in a row"
    assert told(WINDOW, -100, 1, -40) is None, "one that was taken ends the row"


def test_more_than_a_fifth_of_the_last_thousand_stops_however_they_are_spread():
    spread = [4, -1] * 200
    assert told(*spread) is None, "exactly a fifth"
    assert told(*spread, -1) == "201 of the last 1000 records"


def test_a_few_dead_letters_are_not_a_share():
    assert told(*[1, -1] * (LEAST - 1)) is None
    assert told(*[1, -1] * LEAST) == f"{LEAST} of the last {2 * LEAST} records"


def test_old_dead_letters_are_forgotten():
    assert told(*[4, -1] * 200, WINDOW, -1) is None


def test_without_limits_nothing_stops():
    assert told(-5000, limit=NONE) is None
    assert told(WINDOW, -101, limit=Limit(run=0, percent=99)) is None
    assert told(*[1, -1] * 500, limit=Limit(run=100, percent=0)) is None


def test_a_batch_is_weighed_in_its_order_and_changes_nothing_before_it_is_done():
    tally = Tally()
    tally.taken(WINDOW)
    then, why = tally.with_letters([3] * 101, 10, LIMIT)
    assert why == "101 records in a row"
    assert tally.with_letters([3] * 60 + [4] * 60, 10, LIMIT)[1] is None, "one that is taken stands between"
    assert tally.with_letters([3] * 100, 10, LIMIT)[1] is None, "counted from the same place again"
    assert then.too_many(LIMIT) is None, "seven were taken behind it"


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.lists(st.booleans(), max_size=150)),
        max_size=12,
    ),
    st.builds(Limit, run=st.integers(0, 30), percent=st.integers(0, 60)),
)
def test_it_says_what_counting_all_of_the_last_thousand_one_by_one_would_say(batches, limit):
    tally, all_of_them = Tally(), []
    for good, mixed in batches:
        tally.taken(good)
        all_of_them += [False] * good
        places = [sum(not each for each in mixed[:at]) for at, aside in enumerate(mixed) if aside]
        tally, why = tally.with_letters(places, mixed.count(False), limit)
        expected = []
        for aside in mixed:
            all_of_them.append(aside)
            if aside:
                expected.append(naive(all_of_them, limit))
        assert (why is not None) == any(expected)


def naive(aside: list[bool], limit: Limit) -> bool:
    run = 0
    while run < len(aside) and aside[-1 - run]:
        run += 1
    last = aside[-WINDOW:]
    share = sum(last) >= LEAST and sum(last) * 100 > limit.percent * len(last)
    return bool((limit.run and run > limit.run) or (limit.percent and share))
