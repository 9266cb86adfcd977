"""Bots and their channels; what is published is read back from the real compacted topic."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio
from console_world import BEGAN, KEY, Reader
from cryptography.fernet import Fernet
from pydantic import SecretStr

from console import command_line
from runtime.records import Outgoing
from runtime.secrets import SecretBox
from schemas.bots import FALLBACK, TakeoverSettings
from schemas.pages import PageStatus, Routing, Step
from schemas.topics import BOTS, PAGES

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANNEL = {
    "page_name": "Shop",
    "app_id": "77",
    "app_secret": "the app secret",
    "verify_token": "the verify token",
    "page_token": "the page token",
}
PAGE = "/bots/shop/channels/messenger/1029"
PUBLISHING = "/bots/shop/publishing/messenger/1029"
SETTINGS = "/bots/shop/settings/human-takeover"


@pytest_asyncio.fixture(loop_scope="module")
async def admin(console):
    return await console.signed_in("ana", "admin")


@pytest_asyncio.fixture(loop_scope="module")
async def shop(admin):
    answer = await admin.post("/bots", {"id": "shop", "name": "Shop"})
    assert answer.status == 201
    return admin


@pytest_asyncio.fixture(loop_scope="module")
async def topic(kafka_bootstrap, console):
    async with Reader(kafka_bootstrap, BOTS) as made:
        yield made


async def version_of(topic, version):
    """The record of the bot `shop` in that version."""
    return (await topic.until(lambda event: event.bot == "shop" and event.version == version))[-1]


async def test_a_new_bot_has_the_settings_that_the_pages_promise(shop):
    bot = (await shop.get("/bots/shop")).body
    assert bot["takeover"] == {
        "default_session_expiry": 3600,
        "counts_from": "first response",
        "back_to_bot_message": "",
        "say_after_expiry": False,
    }
    assert (bot["version"], bot["flow"], bot["messenger"], bot["fallback_text"]) == (1, None, [], FALLBACK)


async def test_a_bot_that_is_there_is_not_made_again(shop):
    answer = await shop.post("/bots", {"id": "shop", "name": "Other"})
    assert (answer.status, answer.code, answer.body["field"]) == (409, "bot_taken", "id")
    assert (await shop.get("/bots/shop")).body["name"] == "Shop"


async def test_a_bad_bot_is_refused_by_field(admin):
    for body, field in (
        ({"name": "x"}, "id"),
        ({"id": "Shop", "name": "x"}, "id"),
        ({"id": "-shop", "name": "x"}, "id"),
        ({"id": "x" * 64, "name": "x"}, "id"),
        ({"id": "shop", "name": ""}, "name"),
        ({"id": "shop", "name": "x" * 101}, "name"),
        ({"id": "shop", "name": "x", "fallback_text": ""}, "fallback_text"),
        ({"id": "shop", "name": "x", "fallback_text": "x" * 1901}, "fallback_text"),
        ({"id": "shop", "name": "x", "flow": "evil@1"}, "flow"),
        ({"id": "shop", "name": "x", "version": 9}, "version"),
    ):
        answer = await admin.post("/bots", body)
        assert (answer.status, answer.body["field"]) == (422, field)


async def test_a_change_says_which_version_it_is_made_to(shop):
    headers = {"If-Match": '"1"'}
    first = await shop.ask("PATCH", "/bots/shop", {"name": "New"}, headers=headers)
    assert (first.status, first.body["version"], first.headers["ETag"]) == (200, 2, '"2"')
    second = await shop.ask("PATCH", "/bots/shop", {"name": "Other"}, headers=headers)
    assert (second.status, second.code, second.body["version"]) == (412, "changed_since", 2)
    none = await shop.ask("PATCH", "/bots/shop", {"name": "Other"})
    assert (none.status, none.code) == (428, "if_match_needed")
    odd = await shop.ask("PATCH", "/bots/shop", {"name": "Other"}, headers={"If-Match": '"one"'})
    assert (odd.status, odd.body["field"]) == (422, "If-Match")
    assert (await shop.get("/bots/shop")).body["name"] == "New"


async def test_of_two_changes_to_one_version_one_is_made(shop):
    answers = await asyncio.gather(*(shop.put(SETTINGS, settings(expiry), version=1) for expiry in range(60, 70)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 9


def settings(expiry, **fields):
    return {"default_session_expiry": expiry, **fields}


async def test_a_change_that_changes_nothing_makes_no_version(shop):
    assert (await shop.ask("PATCH", "/bots/shop", {"name": "Shop"}, headers={"If-Match": "*"})).body["version"] == 1
    assert (await shop.put(SETTINGS, {})).body["version"] == 1


async def test_the_settings_of_human_takeover_are_read_written_and_published(topic, shop):
    read = await shop.get(SETTINGS)
    assert (read.body["settings"]["default_session_expiry"], read.headers["ETag"]) == (3600, '"1"')
    body = settings(None, counts_from="every response", back_to_bot_message="I am back", say_after_expiry=True)
    answer = await shop.put(SETTINGS, body, version=1)
    assert answer.body == {"settings": body, "version": 2}
    assert (await shop.get(SETTINGS)).body == answer.body
    record = await version_of(topic, 2)
    assert record.takeover == TakeoverSettings(**body)


async def test_bad_settings_are_refused_by_field(shop):
    for body, field in (
        (settings(0), "default_session_expiry"),
        (settings(-1), "default_session_expiry"),
        (settings(30 * 24 * 3600 + 1), "default_session_expiry"),
        (settings("60"), "default_session_expiry"),
        (settings(1.5), "default_session_expiry"),
        ({"counts_from": "now"}, "counts_from"),
        ({"back_to_bot_message": "x" * 1901}, "back_to_bot_message"),
        ({"default_expiry": 60}, "default_expiry"),
    ):
        answer = await shop.put(SETTINGS, body)
        assert (answer.status, answer.body["field"]) == (422, field)


async def test_secrets_of_a_page_are_written_and_never_shown_stored_or_published_in_clear(console, topic, shop):
    answer = await shop.put(PAGE, CHANNEL, version=1)
    shown = {
        "page_id": "1029",
        "page_name": "Shop",
        "app_id": "77",
        "app_secret_set": True,
        "verify_token_set": True,
        "page_token_set": True,
    }
    assert answer.body == {**shown, "version": 2}
    assert (await shop.get("/bots/shop/channels/messenger")).body == {"items": [shown], "version": 2}
    assert (await shop.get("/bots/shop")).body["messenger"] == [shown]
    record = await version_of(topic, 2)
    row = await console.services.pool.fetchrow("SELECT * FROM messenger_channel")
    for secret in ("the app secret", "the verify token", "the page token"):
        assert secret not in str(dict(row))
        assert secret.encode() not in b"".join(topic.raw)
    (channel,) = record.messenger
    decrypt = console.services.box.decrypt
    assert decrypt(channel.app_secret).get_secret_value() == "the app secret"
    assert decrypt(channel.verify_token).get_secret_value() == "the verify token"
    assert decrypt(channel.page_token).get_secret_value() == "the page token"


async def test_a_secret_that_is_left_out_stays(console, topic, shop):
    await shop.put(PAGE, CHANNEL)
    await shop.put(PUBLISHING, {"messenger_inbox_notification": True, "bot_apps": ["5"]})
    answer = await shop.put(PAGE, {"app_id": "78", "page_token": "a new token"})
    assert (answer.status, answer.body["app_id"]) == (200, "78")
    record = await version_of(topic, 4)
    (channel,) = record.messenger
    decrypt = console.services.box.decrypt
    assert decrypt(channel.app_secret).get_secret_value() == "the app secret"
    assert decrypt(channel.page_token).get_secret_value() == "a new token"
    assert (channel.messenger_inbox_notification, channel.bot_apps) == (True, ("5",)), "the rest stays too"


async def test_a_new_page_needs_its_secrets(shop):
    answer = await shop.put(PAGE, {"app_id": "77", "app_secret": "s"})
    assert answer.status == 422
    assert [error["field"] for error in answer.body["errors"]] == ["verify_token", "page_token"]


async def test_a_bad_page_is_refused_by_field_and_its_secrets_are_not_told_back(shop):
    for change, field in (
        ({"app_id": "x"}, "app_id"),
        ({"app_id": ""}, "app_id"),
        ({"app_secret": ""}, "app_secret"),
        ({"page_token": "t" * 1001}, "page_token"),
        ({"page_token": 5}, "page_token"),
        ({"page_name": "x" * 201}, "page_name"),
        ({"page_id": "5"}, "page_id"),
    ):
        answer = await shop.put(PAGE, {**CHANNEL, **change})
        assert (answer.status, answer.body["field"]) == (422, field)
        assert "ttt" not in str(answer.body)
        assert "the app secret" not in str(answer.body)
    for page in ("x", "10 29", "1" * 33):
        answer = await shop.put(f"/bots/shop/channels/messenger/{page}", CHANNEL)
        assert (answer.status, answer.code) == (404, "unknown_page")


async def test_a_page_belongs_to_one_bot(shop):
    await shop.post("/bots", {"id": "other", "name": "Other"})
    await shop.put(PAGE, CHANNEL)
    taken = await shop.put("/bots/other/channels/messenger/1029", CHANNEL)
    assert (taken.status, taken.code, taken.body["field"]) == (409, "page_taken", "page")
    assert (await shop.get("/bots/other")).body["version"] == 1, "nothing was changed"
    assert (await shop.ask("DELETE", PAGE, headers={"If-Match": "*"})).status == 204
    assert (await shop.put("/bots/other/channels/messenger/1029", CHANNEL)).status == 200


async def test_a_page_that_is_disconnected_is_gone_from_the_record(console, topic, shop):
    await shop.put(PAGE, CHANNEL)
    assert (await shop.ask("DELETE", PAGE, headers={"If-Match": '"1"'})).status == 412
    assert (await shop.ask("DELETE", PAGE, headers={"If-Match": '"2"'})).status == 204
    assert (await shop.ask("DELETE", PAGE, headers={"If-Match": "*"})).code == "unknown_page"
    record = await version_of(topic, 3)
    assert record.messenger == ()
    assert await console.services.pool.fetchval("SELECT count(*) FROM messenger_channel") == 0


async def test_the_notification_in_the_messenger_inbox_is_switched_on_and_published(topic, shop):
    await shop.put(PAGE, CHANNEL)
    before = (await shop.get(PUBLISHING)).body
    assert before["configuration"] == {
        "messenger_inbox_notification": False,
        "page_inbox_app": "263902037430900",
        "has_default_app": True,
        "human_agent": True,
        "operator_name": "off",
        "operator_picture_url": "",
        "bot_apps": [],
        "automatic_replies": [],
    }
    body = {"messenger_inbox_notification": True, "automatic_replies": ["We are closed"]}
    after = await shop.put(PUBLISHING, body, version=2)
    assert (after.status, after.body["version"], after.body["problems"]) == (200, 3, [])
    record = await version_of(topic, 3)
    (channel,) = record.messenger
    assert (channel.messenger_inbox_notification, channel.automatic_replies) == (True, ("We are closed",))


async def test_without_a_way_back_the_notification_cannot_be_switched_on_and_the_reason_is_told(shop):
    await shop.put(PAGE, CHANNEL)
    answer = await shop.put(PUBLISHING, {"messenger_inbox_notification": True, "has_default_app": False})
    assert (answer.status, answer.body["field"]) == (422, "messenger_inbox_notification")
    assert "default app" in answer.body["detail"]
    answer = await shop.put(PUBLISHING, {"has_default_app": False})
    assert [problem["code"] for problem in answer.body["problems"]] == ["no_way_back"]


def status(*, way_back, number, state="failing"):
    """What ingress tells of the page's routing."""
    at = BEGAN + timedelta(seconds=number)
    return PageStatus(
        id=f"routing:{number}",
        page="1029",
        aspect="routing",
        state=state,
        code="" if way_back else "no_default_app",
        reason="It is so.",
        steps=(Step(text="Choose this app as Default app.", older="Primary Receiver."),),
        since=at,
        checked_at=at,
        check_at=at + timedelta(minutes=5),
        routing=Routing(
            default_app="ours" if way_back else "none", has_default_app=way_back, inbox_is_receiver=way_back
        ),
    )


def ways_back(event):
    return [channel.has_default_app for channel in event.messenger if event.bot == "shop"]


async def test_publishing_configuration_shows_how_the_page_is_and_the_settings_go_by_what_facebook_tells(
    console, topic, shop
):
    await shop.put(PAGE, CHANNEL)
    await console.services.publisher.publish([Outgoing(PAGES, status(way_back=False, number=1))])
    record = (await topic.until(lambda event: ways_back(event) == [False]))[-1]
    answer = await shop.get(PUBLISHING)
    (shown,) = answer.body["page"]
    assert (shown["aspect"], shown["state"], shown["code"]) == ("routing", "failing", "no_default_app")
    assert shown["steps"] == [{"text": "Choose this app as Default app.", "older": "Primary Receiver."}]
    assert answer.body["routing"]["default_app"] == "none"
    assert [problem["code"] for problem in answer.body["problems"]] == ["no_way_back"]
    refused = await shop.put(PUBLISHING, {"messenger_inbox_notification": True, "has_default_app": True})
    assert (refused.status, refused.body["field"]) == (422, "messenger_inbox_notification")

    await console.services.publisher.publish([Outgoing(PAGES, status(way_back=True, number=2, state="ok"))])
    await topic.until(lambda event: event.version > record.version and ways_back(event) == [True])
    on = await shop.put(PUBLISHING, {"messenger_inbox_notification": True, "has_default_app": False})
    assert (on.status, on.body["configuration"]["has_default_app"]) == (200, True)
    console.services.pages._statuses.clear()  # other tests ask before Facebook has told anything


async def test_keys_are_rotated_bot_by_bot_and_what_was_done_is_not_done_again(console, topic, shop):
    await shop.put(PAGE, CHANNEL)
    before = (await shop.get("/bots/shop")).body["version"]
    fresh = Fernet.generate_key().decode()
    settings = console.services.settings.model_copy(update={"secret_keys": SecretStr(f"{fresh},{KEY}")})
    dry, _ = await command_line.rotate_keys(settings, dry_run=True)
    assert (dry.bots, dry.changed, dry.current) == (1, 3, 0)
    assert (await shop.get("/bots/shop")).body["version"] == before
    done, waiting = await command_line.rotate_keys(settings, dry_run=False)
    assert done == dry
    assert "Repeat this" in command_line.rotation_told(done, max(waiting, 1), dry_run=False)
    record = (await topic.until(lambda event: event.bot == "shop" and event.version == before + 1))[-1]
    alone = SecretBox(SecretStr(fresh))
    assert alone.decrypt(record.messenger[0].page_token).get_secret_value() == CHANNEL["page_token"]
    again, _ = await command_line.rotate_keys(settings, dry_run=False)
    assert (again.changed, again.current) == (0, 3)
    assert "can go" in command_line.rotation_told(again, 0, dry_run=False)
    lost = console.services.settings.model_copy(update={"secret_keys": SecretStr(KEY)})
    unreadable, _ = await command_line.rotate_keys(lost, dry_run=False)
    assert unreadable.unreadable == ("1029",)
    assert "1029" in command_line.rotation_told(unreadable, 0, dry_run=False)


async def test_a_bad_configuration_is_refused_by_field(shop):
    await shop.put(PAGE, CHANNEL)
    for body, field in (
        ({"messenger_inbox_notification": "yes"}, "messenger_inbox_notification"),
        ({"page_inbox_app": "inbox"}, "page_inbox_app"),
        ({"bot_apps": ["x"]}, "bot_apps.0"),
        ({"bot_apps": ["1"] * 51}, "bot_apps"),
        ({"automatic_replies": ["a\0"]}, "automatic_replies"),
        ({"automatic_replies": ["x" * 2001]}, "automatic_replies.0"),
    ):
        answer = await shop.put(PUBLISHING, body)
        assert (answer.status, answer.body["field"]) == (422, field)
    assert (await shop.put("/bots/shop/publishing/messenger/5", {})).code == "unknown_page"


async def test_every_version_is_published_once_in_order_under_one_key(topic, shop):
    for number in range(8):
        await shop.put(SETTINGS, settings(60 + number))
    records = await topic.until(lambda event: event.version == 9)
    assert [record.id for record in records] == [f"bot:shop:{version}" for version in range(1, 10)]


@pytest.mark.parametrize("path", ["", "/settings/human-takeover", "/channels/messenger", "/flows/main/draft"])
async def test_an_unknown_bot_is_not_there(admin, path):
    assert (await admin.get(f"/bots/ghost{path}")).status == 404
