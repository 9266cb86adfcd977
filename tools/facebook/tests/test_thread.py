"""Facebook's thread ownership, row by row, and as laws over any order of acts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebook.errors import (
    BadTargetApp,
    GraphError,
    InvalidParameter,
    NotController,
    NotThreadOwner,
    TakeBlocked,
    TakeNotAllowed,
)
from facebook.thread import (
    CONTROL_LASTS,
    PAGE_INBOX,
    Change,
    Passed,
    Requested,
    Routing,
    Taken,
    Thread,
    channel_of,
    customer_acted,
    extend_control,
    inbox_done,
    inbox_requests,
    inbox_takes,
    owner_at,
    pass_control,
    release_control,
    request_control,
    ride,
    send,
    take_control,
)

BOT, SALES = "1", "2"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + CONTROL_LASTS
CONNECTED = frozenset({BOT, SALES, PAGE_INBOX})
ROUTED = Routing(CONNECTED, BOT, frozenset({BOT}))
ZERO_CONFIG = Routing(CONNECTED, None, frozenset({BOT}))


def held(by: str) -> Thread:
    return Thread(by, LATER)


def test_customer_message_into_idle_thread_gives_it_to_the_default_app_for_24_hours() -> None:
    assert customer_acted(Thread(), ROUTED, NOW) == Thread(BOT, LATER)


def test_customer_message_into_idle_thread_of_zero_config_page_leaves_it_idle() -> None:
    assert customer_acted(Thread(), ZERO_CONFIG, NOW) == Thread()


def test_customer_message_renews_control_of_whoever_has_it() -> None:
    soon = NOW + timedelta(hours=1)
    assert customer_acted(Thread(SALES, soon), ROUTED, NOW) == Thread(SALES, LATER)


def test_customer_message_never_shortens_an_extension() -> None:
    extended = Thread(SALES, NOW + timedelta(days=7))
    assert customer_acted(extended, ROUTED, NOW) == extended


def test_thread_is_idle_from_the_moment_its_time_is_over() -> None:
    assert owner_at(held(SALES), ROUTED, LATER - timedelta(microseconds=1)) == SALES
    assert owner_at(held(SALES), ROUTED, LATER) is None


def test_thread_of_a_disconnected_app_is_idle() -> None:
    assert owner_at(held(PAGE_INBOX), replace(ROUTED, connected=frozenset({BOT})), NOW) is None


def test_expired_thread_goes_to_the_default_app_at_the_next_message() -> None:
    assert customer_acted(held(SALES), ROUTED, LATER) == Thread(BOT, LATER + CONTROL_LASTS)


@pytest.mark.parametrize(
    ("thread", "routing", "on_messaging"),
    [
        (held(SALES), ROUTED, {SALES}),
        (Thread(), ROUTED, {BOT}),
        (Thread(), ZERO_CONFIG, {BOT, SALES, PAGE_INBOX}),
        (held(SALES), ZERO_CONFIG, {SALES}),
    ],
)
def test_owner_hears_on_messaging_and_everybody_else_on_standby(
    thread: Thread, routing: Routing, on_messaging: set[str]
) -> None:
    assert {app for app in CONNECTED if channel_of(thread, routing, app, NOW) == "messaging"} == on_messaging


def test_non_owner_does_not_speak() -> None:
    with pytest.raises(NotThreadOwner) as refused:
        send(held(PAGE_INBOX), ROUTED, BOT, NOW, human_agent=False)
    assert (refused.value.code, refused.value.subcode, refused.value.status) == (10, 2018300, 400)


def test_only_the_default_app_speaks_into_an_idle_thread_and_has_it_then() -> None:
    assert send(Thread(), ROUTED, BOT, NOW, human_agent=False).thread == held(BOT)
    with pytest.raises(NotThreadOwner):
        send(Thread(), ROUTED, SALES, NOW, human_agent=False)


def test_without_default_app_anybody_speaks_into_an_idle_thread_and_it_stays_idle() -> None:
    assert send(Thread(), ZERO_CONFIG, SALES, NOW, human_agent=False) == Change(Thread())


def test_human_agent_takes_control_only_where_the_page_lets_the_app_take() -> None:
    change = send(held(PAGE_INBOX), ROUTED, BOT, NOW, human_agent=True)
    assert change == Change(held(BOT), Taken(PAGE_INBOX, BOT))
    with pytest.raises(NotThreadOwner):
        send(held(PAGE_INBOX), ROUTED, SALES, NOW, human_agent=True)


def test_pass_without_target_goes_to_the_default_app() -> None:
    assert pass_control(held(SALES), ROUTED, SALES, None, NOW) == Change(held(BOT), Passed(SALES, BOT))


def test_anybody_passes_an_idle_thread() -> None:
    change = pass_control(Thread(), ZERO_CONFIG, SALES, PAGE_INBOX, NOW)
    assert change == Change(held(PAGE_INBOX), Passed(None, PAGE_INBOX))


@pytest.mark.parametrize(
    ("thread", "routing", "target", "error"),
    [
        (held(PAGE_INBOX), ROUTED, PAGE_INBOX, NotController),
        (held(BOT), ROUTED, BOT, InvalidParameter),
        (held(BOT), ROUTED, None, InvalidParameter),
        (held(BOT), ZERO_CONFIG, None, InvalidParameter),
        (held(BOT), ROUTED, "999", BadTargetApp),
    ],
)
def test_pass_is_refused(thread: Thread, routing: Routing, target: str | None, error: type[GraphError]) -> None:
    with pytest.raises(error):
        pass_control(thread, routing, BOT, target, NOW)


def test_take_tells_the_loser_and_taking_an_idle_thread_tells_nobody() -> None:
    assert take_control(held(PAGE_INBOX), ROUTED, BOT, NOW) == Change(held(BOT), Taken(PAGE_INBOX, BOT))
    assert take_control(Thread(), ROUTED, BOT, NOW) == Change(held(BOT))


def test_take_of_what_is_ours_changes_nothing() -> None:
    mine = Thread(BOT, NOW + timedelta(days=3))
    assert take_control(mine, ROUTED, BOT, NOW) == Change(mine)


def test_take_is_blocked_without_default_app_and_refused_without_the_switch() -> None:
    with pytest.raises(TakeBlocked) as blocked:
        take_control(held(PAGE_INBOX), ZERO_CONFIG, BOT, NOW)
    assert blocked.value.code == 27
    with pytest.raises(TakeNotAllowed):
        take_control(held(PAGE_INBOX), ROUTED, SALES, NOW)


def test_request_asks_the_owner_and_gives_no_control() -> None:
    assert request_control(held(SALES), ZERO_CONFIG, BOT, NOW) == Change(held(SALES), Requested(BOT, SALES))


def test_request_of_an_idle_thread_gives_control_with_a_pass() -> None:
    assert request_control(Thread(), ZERO_CONFIG, BOT, NOW) == Change(held(BOT), Passed(None, BOT))


@pytest.mark.parametrize(("routing", "owner"), [(ROUTED, SALES), (ZERO_CONFIG, BOT)])
def test_request_is_refused_with_a_default_app_and_by_the_owner(routing: Routing, owner: str) -> None:
    with pytest.raises(InvalidParameter):
        request_control(held(owner), routing, BOT, NOW)


def test_release_leaves_the_thread_idle_and_tells_nobody() -> None:
    assert release_control(held(BOT), ROUTED, BOT, NOW) == Change(Thread())


def test_release_and_extend_are_the_owners() -> None:
    with pytest.raises(NotController) as refused:
        release_control(held(PAGE_INBOX), ROUTED, BOT, NOW)
    assert refused.value.code == 100
    with pytest.raises(NotController):
        extend_control(Thread(), ROUTED, BOT, timedelta(hours=1), NOW)


@pytest.mark.parametrize("lasting", [timedelta(0), timedelta(days=7, seconds=1)])
def test_extension_has_bounds(lasting: timedelta) -> None:
    with pytest.raises(InvalidParameter):
        extend_control(held(BOT), ROUTED, BOT, lasting, NOW)


def test_extension_counts_from_now() -> None:
    extended = extend_control(held(BOT), ROUTED, BOT, timedelta(days=7), NOW)
    assert extended == Change(Thread(BOT, NOW + timedelta(days=7)))


def test_control_rides_on_a_message_only_with_a_default_app() -> None:
    passed = ride(held(BOT), ROUTED, BOT, "pass", PAGE_INBOX, NOW)
    assert passed == Change(held(PAGE_INBOX), Passed(BOT, PAGE_INBOX))
    assert ride(held(BOT), ROUTED, BOT, "release", None, NOW) == Change(Thread())
    with pytest.raises(InvalidParameter):
        ride(held(BOT), ZERO_CONFIG, BOT, "pass", PAGE_INBOX, NOW)


def test_staff_take_the_thread_from_the_bot() -> None:
    assert inbox_takes(held(BOT), ROUTED, NOW) == Change(held(PAGE_INBOX), Taken(BOT, PAGE_INBOX))


def test_older_move_to_main_only_asks() -> None:
    assert inbox_requests(held(BOT), ROUTED, NOW) == Change(held(BOT), Requested(PAGE_INBOX, BOT))


def test_move_to_done_passes_to_the_default_app_or_releases_in_silence() -> None:
    assert inbox_done(held(PAGE_INBOX), ROUTED, NOW, "pass") == Change(held(BOT), Passed(PAGE_INBOX, BOT))
    assert inbox_done(held(PAGE_INBOX), ROUTED, NOW, "release_silently") == Change(Thread())
    assert inbox_done(held(PAGE_INBOX), ZERO_CONFIG, NOW, "pass") == Change(Thread())
    with pytest.raises(NotController):
        inbox_done(held(BOT), ROUTED, NOW, "pass")


@dataclass(frozen=True)
class Step:
    name: str
    app: str
    target: str | None
    wait: timedelta


steps = st.builds(
    Step,
    name=st.sampled_from(
        [
            "customer",
            "send",
            "tagged send",
            "pass",
            "take",
            "request",
            "release",
            "extend",
            "ride",
            "staff reply",
            "older main",
            "done",
        ]
    ),
    app=st.sampled_from([BOT, SALES]),
    target=st.sampled_from([BOT, SALES, PAGE_INBOX, "999", None]),
    wait=st.sampled_from([timedelta(0), timedelta(minutes=5), timedelta(hours=20), timedelta(hours=24)]),
)
routings = st.builds(
    Routing,
    connected=st.sampled_from([CONNECTED, CONNECTED - {PAGE_INBOX}]),
    default_app=st.sampled_from([BOT, SALES, None]),
    takers=st.sampled_from([frozenset(), frozenset({BOT}), frozenset({BOT, SALES})]),
)


def act(step: Step, thread: Thread, routing: Routing, now: datetime) -> Change:
    acts: dict[str, Callable[[], Change]] = {
        "customer": lambda: Change(customer_acted(thread, routing, now)),
        "send": lambda: send(thread, routing, step.app, now, human_agent=False),
        "tagged send": lambda: send(thread, routing, step.app, now, human_agent=True),
        "pass": lambda: pass_control(thread, routing, step.app, step.target, now),
        "take": lambda: take_control(thread, routing, step.app, now),
        "request": lambda: request_control(thread, routing, step.app, now),
        "release": lambda: release_control(thread, routing, step.app, now),
        "extend": lambda: extend_control(thread, routing, step.app, timedelta(days=2), now),
        "ride": lambda: ride(thread, routing, step.app, "pass", step.target, now),
        "staff reply": lambda: inbox_takes(thread, routing, now),
        "older main": lambda: inbox_requests(thread, routing, now),
        "done": lambda: inbox_done(thread, routing, now, "pass"),
    }
    return acts[step.name]()


def moved(before: str | None, after: str | None, step: Step, routing: Routing) -> bool:
    """Whether ownership may go from `before` to `after` by this step: the rules again, written as a table of who."""
    if before == after:
        return True
    allowed: dict[str, bool] = {
        "customer": before is None and after == routing.default_app,
        "send": before is None and after == step.app == routing.default_app,
        "tagged send": after == step.app and (step.app in routing.takers or before is None),
        "pass": before in {None, step.app} and after == (step.target or routing.default_app),
        "ride": before == step.app and after == (step.target or routing.default_app),
        "take": after == step.app and step.app in routing.takers,
        "request": before is None and after == step.app,
        "release": before == step.app and after is None,
        "extend": False,
        "staff reply": after == PAGE_INBOX,
        "older main": before is None and after == PAGE_INBOX,
        "done": before == PAGE_INBOX and after in {None, routing.default_app},
    }
    return allowed[step.name]


@given(routing=routings, told=st.lists(steps, max_size=30))
def test_any_order_of_acts_leaves_one_owner_or_none_and_no_stranger_ever_speaks(
    routing: Routing, told: list[Step]
) -> None:
    thread, now = Thread(), NOW
    for step in told:
        if PAGE_INBOX not in routing.connected and step.name in {"staff reply", "older main", "done"}:
            continue
        now += step.wait
        before = owner_at(thread, routing, now)
        try:
            change = act(step, thread, routing, now)
        except GraphError:
            assert owner_at(thread, routing, now) == before
            continue
        if step.name == "send":
            assert before == step.app or (before is None and routing.default_app in {None, step.app})
        thread = change.thread
        after = owner_at(thread, routing, now)
        assert after is None or after in routing.connected
        assert moved(before, after, step, routing)
        listening = {app for app in routing.connected if channel_of(thread, routing, app, now) == "messaging"}
        assert listening == ({after} if after else {routing.default_app} if routing.default_app else routing.connected)


@given(routing=routings, told=st.lists(steps, max_size=30))
def test_a_change_of_owner_between_two_apps_is_always_told_and_an_unchanged_one_never_as_a_change(
    routing: Routing, told: list[Step]
) -> None:
    thread, now = Thread(), NOW
    for step in told:
        if PAGE_INBOX not in routing.connected and step.name in {"staff reply", "older main", "done"}:
            continue
        now += step.wait
        before = owner_at(thread, routing, now)
        try:
            change = act(step, thread, routing, now)
        except GraphError:
            continue
        thread = change.thread
        after = owner_at(thread, routing, now)
        if before is not None and after is not None and before != after:
            assert change.notice in {Passed(before, after), Taken(before, after)}
        if before == after:
            assert change.notice is None or isinstance(change.notice, Requested)
