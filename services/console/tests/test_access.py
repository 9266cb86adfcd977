"""Every route, asked by nobody, by an operator of another bot, by an operator of the bot, and by an admin."""

from itertools import product

import pytest
import pytest_asyncio
from console_world import Story

from console import access
from console.access import Rule
from console.routes import all_routes

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONVERSATION = "messenger:1029:7733"
ROUTES = {route.operation_id: route for route in all_routes()}


@pytest_asyncio.fixture(loop_scope="module")
async def people(console):
    """Four browsers by who they are."""
    await console.bot("shop")
    admin = await console.signed_in("ana", "admin")
    mine = await console.signed_in("ben", bots=["shop"])
    others = await console.signed_in("cleo", bots=["other"])
    await console.feed(*Story(CONVERSATION).customer("hi").events)
    await admin.put("/bots/shop/channels/messenger/1029", CHANNEL)
    await admin.put("/bots/shop/flows/main/draft", {"id": "main"})
    taken = await mine.post(f"/conversations/{CONVERSATION}/takeover", {"epoch": 0})
    people = {"nobody": console.browser(), "others": others, "mine": mine, "admin": admin}
    return people, taken.body["command"]


CHANNEL = {"app_id": "77", "app_secret": "s", "verify_token": "v", "page_token": "p"}


def address(route, command):
    return route.path.format(
        conversation=CONVERSATION,
        command=command,
        operator="0" * 32,
        bot="shop",
        page="1029",
        flow="main",
        version=1,
        seq=1,
    )


def expected(rule, who):
    """The refusal of the access table, or None where the route is reached."""
    if rule is Rule.PUBLIC:
        return None
    if who == "nobody":
        return 401
    if rule is Rule.ADMIN and who != "admin":
        return 403
    if who == "others" and rule in {Rule.BOT, Rule.CONVERSATION, Rule.COMMAND}:
        return 404
    return None


async def test_a_route_is_reached_by_those_of_the_table_and_by_nobody_else(people):
    browsers, command = people
    assert set(ROUTES) == set(access.ROUTES)
    for operation, (who, browser) in product(sorted(ROUTES.keys() - {"signOut"}), browsers.items()):
        route, rule = ROUTES[operation], access.ROUTES[operation]
        # a body that is never valid: who gets past the access table is told so, and nothing changes
        raw = b"{}" if route.body.__name__ == "Nothing" else b"["
        headers = {"Content-Type": "application/json", "If-Match": '"999"'}
        answer = await browser.ask(route.method, address(route, command), raw=raw, headers=headers)
        refusal = expected(rule, who)
        if refusal is not None:
            assert answer.status == refusal, (operation, who, answer)
            assert answer.code in {"not_signed_in", "forbidden"} or answer.code.startswith("unknown_")
        else:
            assert answer.status not in {401, 403}, (operation, who, answer)
            assert answer.status < 500, (operation, who, answer)
            if answer.status == 404:
                assert operation in {"getOperator", "updateOperator", "getVersion", "listVersions"}


async def test_only_who_is_signed_in_signs_out(people):
    browsers, _ = people
    assert (await browsers["nobody"].ask("DELETE", "/session")).status == 401
    assert (await browsers["mine"].ask("DELETE", "/session")).status == 204


async def test_what_is_another_bots_looks_as_if_it_were_not_there(people):
    browsers, command = people
    others = browsers["others"]
    for foreign, missing in (
        (f"/conversations/{CONVERSATION}", "/conversations/messenger:1029:nobody"),
        ("/bots/shop", "/bots/ghost"),
        (f"/commands/{command}", f"/commands/{command}x"),
    ):
        found, absent = await others.get(foreign), await others.get(missing)
        assert {**found.body, "request_id": ""} == {**absent.body, "request_id": ""}


async def test_an_operators_command_is_not_a_colleagues_business(console, people):
    _, command = people
    dora = await console.signed_in("dora", bots=["shop"])
    assert (await dora.get(f"/commands/{command}")).status == 404


async def test_the_lists_hold_only_what_the_operator_may_see(people):
    browsers, _ = people
    for who, conversations, bots in (("others", [], ["other"]), ("mine", [CONVERSATION], ["shop"])):
        page = (await browsers[who].get("/conversations")).body
        assert [each["id"] for each in page["items"]] == conversations
        assert list(page["streams"]) == [f"inbox:{bot}" for bot in bots]
        assert [bot["id"] for bot in (await browsers[who].get("/bots")).body["items"]] == bots
    assert (await browsers["others"].get("/conversations", bot="shop")).body["items"] == []


async def test_a_socket_follows_only_what_its_operator_may_see(people):
    browsers, _ = people
    for who, stream, answer in (
        ("mine", f"conversation:{CONVERSATION}", "subscribed"),
        ("mine", "inbox:shop", "subscribed"),
        ("mine", "inbox:other", "problem"),
        ("mine", "conversation:messenger:1029:nobody", "problem"),
        ("others", f"conversation:{CONVERSATION}", "problem"),
        ("others", "inbox:shop", "problem"),
        ("admin", f"conversation:{CONVERSATION}", "subscribed"),
        ("admin", "inbox:other", "subscribed"),
    ):
        async with browsers[who].socket() as socket:
            assert (await socket.subscribe(stream))["type"] == answer, (who, stream)


async def test_a_socket_without_a_session_is_told_to_sign_in(console):
    async with console.browser().socket() as socket:
        assert await socket.closed() == 4401


async def test_a_socket_from_a_foreign_page_is_refused(people):
    browsers, _ = people
    answer = await browsers["mine"].ask("GET", "/live", headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.code) == (403, "bad_origin")
