"""Every answer with which Facebook is known to refuse a message, over HTTP, and what becomes of the message and its page."""

from contextlib import suppress

import asyncpg
import pytest
from fb_commands import PAGE, conversation, says, silence
from fb_world import OTHER_PAGE, PSIDS, until

from facebook.refusals import REFUSALS

AGAIN = "goes again"
PAUSE = "the page rests"
PAUSE_ALL = "all pages of the app rest"
STOP = "the page stops until it has another token"
MINUTES = "goes again after minutes"
REFUSED = "is not delivered"
CONFIGURATION = "is not delivered until an admin acts"
NO_TAGS = "is not delivered, and tags are stopped"
NOT_OWNER = "is not delivered: another app has the conversation"

CONSEQUENCES = {
    "unknown_error": AGAIN,
    "temporary": AGAIN,
    "temporary_400": AGAIN,
    "temporary_send": AGAIN,
    "gateway": AGAIN,
    "unavailable": AGAIN,
    "error_under_200": AGAIN,
    "control_timeout": AGAIN,
    "too_many_requests": PAUSE,
    "app_limit": PAUSE_ALL,
    "user_limit": PAUSE,
    "page_limit": PAUSE,
    "custom_limit": PAUSE,
    "pages_limit": PAUSE,
    "messenger_limit": PAUSE,
    "page_restricted": PAUSE,
    "tag_abuse": NO_TAGS,
    "outside_window": REFUSED,
    "outside_window_instagram": REFUSED,
    "outside_window_no_subscription": REFUSED,
    "cannot_receive": REFUSED,
    "not_owner": NOT_OWNER,
    "not_owner_instagram": NOT_OWNER,
    "lead_flow": MINUTES,
    "human_agent_not_approved": CONFIGURATION,
    "no_such_person": REFUSED,
    "no_such_person_instagram": REFUSED,
    "refused_under_200": REFUSED,
    "bad_target_app": CONFIGURATION,
    "dead_tag": REFUSED,
    "invalid_parameter": REFUSED,
    "action_with_message": REFUSED,
    "attachment_not_fetched": REFUSED,
    "attachment_type": REFUSED,
    "attachment_owner": REFUSED,
    "attachment_too_large": REFUSED,
    "video_unreadable": REFUSED,
    "token_dead": STOP,
    "token_password_changed": STOP,
    "token_expired": STOP,
    "token_invalid": STOP,
    "permission": CONFIGURATION,
    "permission_person": CONFIGURATION,
    "capability": CONFIGURATION,
    "permission_10": CONFIGURATION,
    "person_unavailable": REFUSED,
    "person_unavailable_1545041": REFUSED,
    "person_blocked_page": REFUSED,
    "no_profile_consent": REFUSED,
    "profile_unreadable": REFUSED,
    "profile_no_rights": REFUSED,
    "bad_account_linking_token": REFUSED,
    "take_blocked": CONFIGURATION,
    "not_controller": REFUSED,
    "no_secondary_receivers": REFUSED,
    "no_handover": REFUSED,
    "handover_disabled": REFUSED,
}
"""Of a bot's message."""


def named(*consequences):
    return [name for name, consequence in CONSEQUENCES.items() if consequence in consequences]


def test_every_refusal_of_the_box_has_its_consequence():
    assert set(CONSEQUENCES) == set(REFUSALS)


async def customers(world, names):
    """Row → a customer of its own, whose window is open."""
    found = dict(zip(names, PSIDS, strict=False))
    assert set(found) == set(names)
    await world.box.write(*found.values())
    return found


async def test_what_facebook_refuses_for_now_goes_again_and_the_rest_is_told_with_code_and_reason(world):
    """One customer for each row, all at once: none holds up another."""
    world.start()
    names = named(AGAIN, REFUSED, CONFIGURATION, NO_TAGS, NOT_OWNER)
    found = await customers(world, names)
    for name, psid in found.items():
        await world.box.rule(name, psid)
    await world.command(*[says("1", name=name, psid=psid) for name, psid in found.items()])
    again = named(AGAIN)
    await world.told(*[f"{name}:{'sent' if name in again else 'refused'}" for name in names])
    for report in await world.told(*[f"{name}:refused" for name in names if name not in again]):
        name = report.command
        row = REFUSALS[name]
        assert (report.code, report.subcode) == (row.code, row.subcode), name
        assert report.kind == ("not_owner" if CONSEQUENCES[name] is NOT_OWNER else "permanent"), name
        assert report.reason, name
    assert {report.command for report in world.reports()} == set(names), "each is told of once"
    told = world.told_of_pages()
    assert told[0] == ("sending", "failing", "permission"), "the page's admin is told"
    assert await world.database.fetchval(
        "SELECT tags_stopped_until > clock_timestamp() + interval '23 hours' FROM fb_handover.page WHERE page = $1",
        PAGE,
    )


async def test_a_lead_flow_is_waited_for_and_a_silence_ends_the_wait(world):
    world.start()
    [psid] = (await customers(world, ["lead_flow"])).values()
    await world.box.rule("lead_flow", psid)
    await world.command(says("1", name="a", psid=psid, epoch=1))
    await until(lambda: _rests(world, psid, 100.0), "it rests for minutes")
    await world.command(silence(2, psid=psid))
    await world.told("a:suppressed")


@pytest.mark.parametrize("name", named(PAUSE, PAUSE_ALL))
async def test_a_limit_lets_the_page_rest_and_then_the_message_goes(world, name):
    world.start()
    found = await customers(world, [name])
    restricted = name == "page_restricted"
    await world.box.rule(name, found[name], **({"minutes": 0} if REFUSALS[name].minutes else {}))
    await world.command(says("1", name="a", psid=found[name]))
    code = "restricted" if restricted else "app_rate_limited" if name == "app_limit" else "rate_limited"
    await world.told_of_page(("sending", "failing", code))
    if CONSEQUENCES[name] is PAUSE_ALL:
        await world.told_of_page(("sending", "failing", code), page=OTHER_PAGE)
    if restricted:
        await until(lambda: _rests(world, found[name], 3000.0), "it rests for an hour")
        return
    await world.told("a:sent")
    assert len(await world.box.record("refused")) == 1


async def test_a_dead_token_of_any_kind_stops_the_page_until_it_has_another(world):
    world.start()
    found = await customers(world, named(STOP))
    for version, (name, psid) in enumerate(found.items(), 2):
        await world.box.rule(name, psid)
        await world.command(says("1", name=name, psid=psid))
        await world.told_of_page(*[("token", "failing", "token_refused"), ("token", "ok", "")] * (version - 2), DEAD)
        await world.connect(PAGE, OTHER_PAGE, version=version)
        await world.told(f"{name}:sent")
    assert len(await world.box.record("refused")) == len(found)


DEAD = ("token", "failing", "token_refused")


async def _rests(world, psid, seconds) -> bool:
    left = None
    with suppress(asyncpg.UndefinedTableError):  # the service has not made its tables yet
        left = await world.database.fetchval(
            "SELECT extract(epoch FROM due_at - clock_timestamp())::float8 FROM fb_handover.lane"
            " WHERE owner IS NULL AND conversation = $1",
            conversation(psid),
        )
    return left is not None and left > seconds
