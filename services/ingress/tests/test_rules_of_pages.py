"""The rules for looking after pages, without I/O: what Facebook's answers mean, and what follows."""

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from graphapi.answers import Accepted, Later, Permanent
from ingress import history, mode, subscriptions
from ingress.channels import Known
from ingress.gate import HOLD, Gate, Through
from ingress.messenger import Parsed, parse
from ingress.mode import Features, Shown
from ingress.outages import Outages
from ingress.routing import Router
from ingress.subscriptions import NEEDED, AppSubscription
from schemas.conversations import CustomerMessage, Echo
from schemas.envelope import decode
from schemas.pages import PageOpened, PageStatus, PageUnknown

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
APP, INBOX, PAGE = "640571102938471", "263902037430900", "104821769032215"
ALL = frozenset(NEEDED)


# --- subscriptions


def test_fields_of_an_app_come_as_words_and_as_objects_and_only_those_of_pages_count():
    listed = {"data": [{"object": "user", "fields": ["email"], "callback_url": "https://other"},
                       {"object": "page", "callback_url": "https://here", "fields": ["feed", {"name": "messages"}, 7]}]}  # fmt: skip
    assert subscriptions.app_subscription(listed) == AppSubscription(
        "https://here", frozenset({"feed", "messages"}), True
    )
    assert subscriptions.app_subscription({"data": [{"object": "user"}]}) is None


def test_an_app_that_is_not_listed_at_a_page_is_told_apart_from_one_without_fields():
    body = {"data": [{"id": 5, "subscribed_fields": ["feed"]}, {"id": int(APP), "subscribed_fields": None}]}
    assert subscriptions.page_fields(body, APP) == frozenset()
    assert subscriptions.page_fields(body, "9") is None
    assert subscriptions.page_fields("odd", APP) is None


def test_what_is_written_keeps_what_others_need_and_is_nothing_where_all_is_there():
    app = AppSubscription("https://here", frozenset({"feed", "messages"}), active=True)
    plan = subscriptions.plan(app, frozenset({"leadgen", *NEEDED}))
    assert plan.write_app == ALL | {"feed"}
    assert plan.write_page is None
    assert plan.silent, "standby is missing: customers are not heard while another app has the thread"
    assert subscriptions.listed(plan.write_app).split(",") == [*NEEDED, "feed"]
    whole = AppSubscription("https://here", ALL, active=True)
    assert subscriptions.plan(whole, ALL).complete


@pytest.mark.parametrize("page", [None, frozenset()])
def test_a_page_without_us_is_unsubscribed(page):
    plan = subscriptions.plan(AppSubscription("https://here", ALL, active=True), page)
    assert (plan.unsubscribed, plan.silent, plan.write_app, plan.write_page) == (True, True, None, ALL)


def test_webhooks_that_facebook_disabled_are_written_again_though_no_field_is_missing():
    plan = subscriptions.plan(AppSubscription("https://here", ALL, active=False), ALL)
    assert (plan.unsubscribed, plan.write_app) == (True, ALL)


def test_receipts_that_are_missing_are_ordered_again_and_nothing_has_to_be_caught_up():
    plan = subscriptions.plan(AppSubscription("https://here", ALL, active=True), ALL - {"message_reads"})
    assert (plan.silent, plan.write_page) == (False, ALL)


# --- the page's mode


NOTHING_TOLD = Features()


def detect(told=NOTHING_TOLD, others=None, owners=()):
    return mode.detect(told, others, owners, app=APP, inbox=INBOX)


ROUTED, ZERO, OLDER = Features(True, False), Features(False, True), Features(False, False)


@pytest.mark.parametrize(
    ("found", "state", "default", "way_back", "set_up"),
    [
        (detect(ROUTED, frozenset({INBOX})), "ok", "ours", True, "done_and_main"),
        (detect(ROUTED, frozenset({"26390203743090"})), "ok", "ours", True, "done_and_main"),
        (detect(ROUTED, frozenset()), "ok", "ours", True, "main_only"),
        (detect(ROUTED, None, [Shown(INBOX)]), "ok", "ours", True, "unknown"),
        (detect(ROUTED, None, [Shown(APP), Shown("")]), "failing", "another", False, "main_only"),
        (detect(ROUTED, None, [Shown(APP)]), "unknown", "unknown", None, "unknown"),
        (detect(ZERO), "failing", "none", False, "main_only"),
        (detect(OLDER, frozenset({INBOX})), "ok", "ours", True, "done_and_main"),
        (detect(OLDER), "failing", "another", False, "main_only"),
        (detect(), "unknown", "unknown", None, "unknown"),
    ],
)
def test_each_set_up_is_told_with_what_works_in_it(found, state, default, way_back, set_up):
    told = found.routing
    assert (found.state, told.default_app, told.has_default_app, told.set_up) == (state, default, way_back, set_up)


@pytest.mark.parametrize("found", [detect(ZERO), detect(ROUTED, None, [Shown("")]), detect(OLDER)])
def test_a_page_without_a_way_back_says_what_to_change_in_the_words_of_today_and_in_the_older_ones(found):
    assert "Main only" in found.reason
    assert "Default app" in found.steps[0].text
    assert "Primary Receiver" in found.steps[0].older


def test_the_receiver_is_unselected_or_selected_as_the_page_has_it():
    assert "unselect Page Inbox" in detect(ROUTED, frozenset({INBOX})).steps[-1].older
    assert "select Page Inbox" in detect(ROUTED, frozenset()).steps[-1].older


def test_what_facebook_answers_is_read_leniently():
    assert mode.features(Accepted({"messaging_feature_status": {"hop_v2": "yes", "msgr_multi_app": True}})) == Features(
        None, True
    )
    assert mode.features(Permanent("no", 100)) == Features()
    assert mode.receivers(Accepted({"data": [{"id": int(INBOX)}, 5]})) == {INBOX}
    assert mode.receivers(Permanent("none", 100, 2018234)) is None
    assert mode.receivers(Permanent("not so", 100, 2018171)) is None
    assert mode.receivers(Later("busy")) is None
    assert mode.owner_shown(Accepted({"data": [{"thread_owner": {"expiration": 5}}]})) == Shown("")
    assert mode.owner_shown(Accepted({"data": [{"thread_owner": {"app_id": int(INBOX)}}]})) == Shown(INBOX)
    assert mode.owner_shown(Accepted({"data": []})) is None
    listed = {"data": [{"is_owner": False, "participants": {"data": [{"id": "7"}, {"id": PAGE}]}},
                       {"is_owner": True, "participants": {"data": [{"id": "8"}]}}]}  # fmt: skip
    assert mode.strangers(Accepted(listed), PAGE) == ["7"]


# --- what the Conversations API tells


def listed(*messages, **more):
    person = {"data": [{"id": "7", "name": "Mia"}, {"id": PAGE}]}
    return {"data": [{"id": "t_1", "participants": person, "updated_time": "2026-11-24T11:59:00+0000",
                      "messages": {"data": list(messages)}}], **more}  # fmt: skip


def said(mid, second, *, by="7", text="hi", **more):
    return {
        "id": mid,
        "created_time": f"2026-11-24T11:00:{second:02}+0000",
        "from": {"id": by},
        "message": text,
        **more,
    }


def caught_up(body, ours=()):
    (found,) = history.part(body, PAGE).conversations
    return list(history.events(found, PAGE, APP, since=NOW - timedelta(hours=2), until=NOW, ours=ours))


def test_messages_become_the_events_of_their_webhooks_with_the_same_ids_oldest_first():
    events = caught_up(
        listed(said("m_3", 9, by=PAGE, text="staff"), said("m_2", 9, text="b"), said("m_1", 5, text="a"))
    )
    assert [event.id for event in events] == [
        f"messenger:{PAGE}:m_1",
        f"messenger:{PAGE}:m_2",
        f"messenger:{PAGE}:m_3:echo",
    ]
    assert [type(event) for event in events] == [CustomerMessage, CustomerMessage, Echo]
    assert all(event.caught_up and event.key == f"messenger:{PAGE}:7" for event in events)
    sides = {"sender": {"id": "7"}, "recipient": {"id": PAGE}}, {"sender": {"id": PAGE}, "recipient": {"id": "7"}}
    hook = {"object": "page", "entry": [{"id": PAGE, "messaging": [
        {**sides[0], "message": {"mid": "m_1", "text": "a"}}, {**sides[1], "message": {"mid": "m_3", "text": "x", "is_echo": True}},
    ]}]}  # fmt: skip
    ids = [part.event.id for part in parse(hook, received=NOW) if isinstance(part, Parsed)]
    assert ids == [events[0].id, events[2].id]


def test_what_we_sent_is_known_by_its_mid_and_all_else_of_the_pages_side_has_no_app():
    echoes = caught_up(listed(said("m_2", 2, by=PAGE), said("m_1", 1, by=PAGE)), ours={"m_1"})
    assert [(echo.mid, echo.app_id, echo.metadata) for echo in echoes] == [("m_1", APP, None), ("m_2", None, None)]


def test_attachments_and_stickers_are_read_and_a_sticker_is_one():
    image = {
        "data": [
            {"mime_type": "image/png", "image_data": {"url": "https://i"}},
            {"mime_type": "audio/mp4", "file_url": "https://a"},
        ]
    }
    sticker = {"data": [{"image_data": {"url": "https://s"}}]}
    first, second = caught_up(
        listed(
            said("m_2", 2, text="", sticker="https://s", attachments=sticker),
            said("m_1", 1, text="", attachments=image),
        )
    )
    assert [(one.kind, one.url) for one in first.input.attachments] == [("image", "https://i"), ("audio", "https://a")]
    assert [(one.kind, one.url) for one in second.input.attachments] == [("sticker", "https://s")]


def test_what_was_said_before_the_outage_or_after_it_is_left_out_and_so_is_what_cannot_be_read():
    early = said("m_0", 1) | {"created_time": "2026-11-24T09:59:59+0000"}
    late = said("m_9", 1) | {"created_time": "2026-11-24T12:00:01+0000"}
    assert [event.mid for event in caught_up(listed(late, said("m_1", 1), {"id": "m_x"}, 5, early))] == ["m_1"]


def test_the_next_part_is_asked_for_only_where_there_is_one():
    assert history.part({"data": [], "paging": {"cursors": {"after": "x"}}}, PAGE).after is None
    assert history.part({"data": [], "paging": {"cursors": {"after": "x"}, "next": "https://n"}}, PAGE).after == "x"


# --- outages


def test_refusals_in_a_row_for_longer_than_the_bound_are_an_outage_of_all_pages():
    async def play() -> list[tuple[str, datetime]]:
        clock, demanded = [0.0], []
        outages = Outages(60, lambda: NOW + timedelta(seconds=clock[0]), lambda: clock[0])
        heard = asyncio.Event()

        async def demand(page: str, since: datetime, _reason: str) -> None:
            demanded.append((page, since))
            heard.set()

        running = asyncio.create_task(outages.run(demand, lambda: ["1"]))
        for at, what in (
            (0, outages.refused),
            (59, outages.taken),
            (70, outages.refused),
            (80, outages.refused),
            (130, outages.taken),
        ):
            clock[0] = at
            what()
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await heard.wait()
        running.cancel()
        return demanded

    assert asyncio.run(play()) == [("1", NOW + timedelta(seconds=70))]


# --- the gate


def unknown(page="1"):
    return PageUnknown(id=f"page-unknown:{page}:1", page=page, apps=("77",))


def opened(at=NOW, page="1"):
    return PageOpened(id=f"page-opened:{page}:1", page=page, opens_at=at, taken=(0,))


def test_a_page_that_was_unknown_waits_until_it_is_opened_and_the_later_record_counts():
    gate, known, apps = Gate(lambda: NOW), Known(pages={"1": frozenset({"77"})}), frozenset({"77"})
    assert gate.through(known, apps, NOW).pages == {"1"}
    gate.apply("", unknown())
    assert gate.through(known, apps, NOW).pages == frozenset()
    gate.apply("", opened())
    assert gate.through(known, apps, NOW).pages == {"1"}
    gate.apply("", unknown())
    assert gate.through(known, apps, NOW).pages == frozenset()


def test_a_page_of_another_app_neither_lets_its_events_through_nor_is_made_to_wait():
    known = Known(pages={"1": frozenset({"77"})})
    through = Gate(lambda: NOW).through(known, frozenset({"78"}), NOW)
    assert "1" not in through.pages
    assert through.unknown("1") is None
    assert through.unknown("2").apps == ("78",)


async def test_events_of_a_page_that_opens_are_held_for_moments_and_those_of_others_are_not():
    clock = [0.0]
    gate = Gate(lambda: NOW, lambda: clock[0])
    gate.apply("", opened())
    async with asyncio.timeout(HOLD / 2):
        await gate.settled(lambda: {"2"}, 5)
    clock[0] = HOLD - 0.05
    loop = asyncio.get_running_loop()
    began = loop.time()
    await gate.settled(lambda: {"1"}, 5)
    assert 0.04 < loop.time() - began < HOLD / 2
    gate.apply("", opened(at=NOW - timedelta(minutes=5), page="3"))
    async with asyncio.timeout(HOLD / 2):
        await gate.settled(lambda: {"3"}, 5)


# --- policy


def policed(action: str, page: str = PAGE) -> tuple[Router, list[str]]:
    body = {"object": "page", "entry": [{"id": page, "time": 1_795_500_000_000, "messaging": [
        {"recipient": {"id": page}, "timestamp": 1_795_500_000_000, "policy-enforcement": {"action": action, "reason": "spam"}},
    ]}]}  # fmt: skip
    apps = frozenset({APP})
    router = Router(orjson.dumps(body), Through(frozenset({PAGE}), Known(pages={PAGE: apps}), apps, {}, NOW), None)
    return router, [packed.topic for packed in router.records(parse(body, received=NOW))]


@pytest.mark.parametrize(
    ("action", "state", "code"),
    [
        ("block", "failing", "blocked"),
        ("warning", "failing", "warned"),
        ("unblock", "ok", ""),
        ("?", "failing", "warned"),
    ],
)
def test_what_facebook_does_to_a_page_is_told_of_the_page_beside_the_log(action, state, code):
    router, topics = policed(action)
    assert topics == ["conversations"]
    (fact,) = router.facts()
    status = decode("pages", fact.value, fact.headers)
    assert isinstance(status, PageStatus)
    assert (status.key, status.state, status.code) == (f"{PAGE}:policy", state, code)
    assert bool(status.steps) is (state == "failing")


def test_an_unknown_page_is_not_judged():
    router, topics = policed("block", page="5")
    assert topics == ["dead-letters"]
    assert [decode("pages", fact.value, fact.headers).type for fact in router.facts()] == ["page.unknown.v1"]
