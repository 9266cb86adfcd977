import asyncio
import sys

import pytest
from console_world import ANA, PASSWORD, Reader, Story

from runtime.kafka import partition_of
from schemas.conversations import OperatorDeactivated
from schemas.messages import Person
from schemas.topics import CONVERSATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")


def body(**fields):
    return {"email": "new@example.com", "name": "New", "password": PASSWORD, **fields}


async def test_an_admin_makes_an_account_that_can_sign_in(console):
    admin = await console.signed_in("ana", "admin")
    await console.bot("shop")
    made = await admin.post("/operators", body(bots=["shop"]))
    assert (made.status, made.body["role"], made.body["bots"]) == (201, "operator", ["shop"])
    assert "password" not in str(made.body)
    assert (await console.browser().sign_in("new@example.com")).status == 200
    assert (await admin.get(f"/operators/{made.body['id']}")).body == made.body


async def test_two_accounts_never_share_an_address(console):
    admin = await console.signed_in("ana", "admin")
    assert (await admin.post("/operators", body())).status == 201
    again = await admin.post("/operators", body(email="NEW@example.com"))
    assert (again.status, again.code, again.body["field"]) == (409, "email_taken", "email")


async def test_a_bad_account_is_refused_by_field(console):
    admin = await console.signed_in("ana", "admin")
    for change, field in (
        ({"email": "no address"}, "email"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"role": "owner"}, "role"),
        ({"bots": ["not a bot!"]}, "bots.0"),
        ({"bots": ["ghost"]}, "bots.0"),
        ({"surprise": 1}, "surprise"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": 5}, "name"),
    ):
        answer = await admin.post("/operators", body(**change))
        assert (answer.status, answer.body["field"]) == (422, field)
        assert answer.body["errors"][0]["field"] == field
        assert answer.body["detail"]
        assert "x" * 201 not in str(answer.body)


async def test_deactivating_ends_the_accounts_sessions(console):
    admin, ben = await console.signed_in("ana", "admin"), await console.signed_in("ben")
    changed = await admin.ask("PATCH", f"/operators/{ben.operator['id']}", {"active": False})
    assert changed.body["active"] is False
    assert (await ben.get("/session")).status == 401
    assert (await ben.sign_in("ben@example.com")).code == "wrong_credentials"


async def test_what_a_deactivated_operator_holds_is_told_to_the_log_and_waits_for_somebody(console, kafka_bootstrap):
    admin, ben = await console.signed_in("ana", "admin"), await console.signed_in("ben", bots=["shop"])
    holder = Person(id=ben.operator["id"], name=ben.operator["name"])
    story = Story().customer("hi").said("Hello").started().answered(holder)
    await console.feed(*story.events)
    other = Story("messenger:1029:8888").customer("hi").said("Hello").started().answered(ANA)
    await console.feed(*other.events)
    async with Reader(kafka_bootstrap, CONVERSATIONS, partition_of(story.conversation, 2)) as log:
        await admin.ask("PATCH", f"/operators/{ben.operator['id']}", {"active": False})
        told = await log.next()
    assert isinstance(told, OperatorDeactivated)
    assert (told.conversation, told.operator) == (story.conversation, holder)
    assert (await admin.get(f"/conversations/{story.conversation}")).body["conversation"]["waiting"] is False
    await console.feed(*story.changed(None).events[-1:])
    assert (await admin.get(f"/conversations/{story.conversation}")).body["conversation"]["waiting"] is True
    for waiting, ids in (("true", [story.conversation]), ("false", [other.conversation])):
        listed = (await admin.get("/conversations", waiting=waiting)).body["items"]
        assert [each["id"] for each in listed] == ids


async def test_what_was_only_assigned_to_a_deactivated_operator_is_told_to_the_log_too_and_what_is_over_is_not(
    console, kafka_bootstrap
):
    admin = await console.signed_in("ana", "admin")
    ben, eva = [await console.signed_in(name, bots=["shop"]) for name in ("ben", "eva")]
    gone, next_gone = [Person(id=each.operator["id"], name=each.operator["name"]) for each in (ben, eva)]
    here, held, over, taken_back, mark = stories_of_one_partition(5)
    here.customer("hi").said("Hello").assigned(gone)
    held.customer("hi").assigned(gone).started().answered(gone)
    over.customer("hi").assigned(gone).started().answered(ANA).ended(by=ANA)
    taken_back.customer("hi").assigned(gone).assigned(None)
    mark.customer("hi").assigned(next_gone)
    for story in (here, held, over, taken_back, mark):
        await console.feed(*story.events)
    async with Reader(kafka_bootstrap, CONVERSATIONS, partition_of(here.conversation, 2)) as log:
        for who in (gone, next_gone):
            await admin.ask("PATCH", f"/operators/{who.id}", {"active": False})
        told = [(event.conversation, event.operator) for event in [await log.next() for _ in range(3)]]
    assert told == [(here.conversation, gone), (held.conversation, gone), (mark.conversation, next_gone)]
    await console.feed(*here.assigned(None).events[-1:])
    assert (await admin.get(f"/conversations/{here.conversation}")).body["conversation"]["assigned"] is None


def stories_of_one_partition(count):
    names = [name for name in (f"messenger:1029:{number}" for number in range(100, 200)) if partition_of(name, 2) == 0]
    return [Story(name) for name in names[:count]]


async def test_a_new_password_ends_the_accounts_sessions(console):
    admin, ben = await console.signed_in("ana", "admin"), await console.signed_in("ben")
    await admin.ask("PATCH", f"/operators/{ben.operator['id']}", {"password": "another long one"})
    assert (await ben.get("/session")).status == 401
    assert (await ben.sign_in("ben@example.com")).status == 401
    assert (await ben.sign_in("ben@example.com", "another long one")).status == 200


async def test_the_last_active_admin_stays_one(console):
    admin = await console.signed_in("ana", "admin")
    for change in ({"active": False}, {"role": "operator"}):
        answer = await admin.ask("PATCH", f"/operators/{admin.operator['id']}", change)
        assert (answer.status, answer.code) == (409, "last_admin")
    renamed = await admin.ask("PATCH", f"/operators/{admin.operator['id']}", {"name": "Anna"})
    assert (renamed.status, renamed.body["name"]) == (200, "Anna")


async def test_two_admins_who_demote_each_other_at_once_leave_one(console):
    ana, ben = await console.signed_in("ana", "admin"), await console.signed_in("ben", "admin")
    answers = await asyncio.gather(
        ana.ask("PATCH", f"/operators/{ben.operator['id']}", {"role": "operator"}),
        ben.ask("PATCH", f"/operators/{ana.operator['id']}", {"role": "operator"}),
    )
    assert await console.services.pool.fetchval("SELECT count(*) FROM operator WHERE role = 'admin'") == 1
    assert 200 in {answer.status for answer in answers}


async def test_accounts_are_listed_page_by_page(console):
    admin = await console.signed_in("ana", "admin")
    for name in ("ben", "cleo", "dora"):
        await console.account(name)
    seen, cursor = [], None
    while True:
        page = (await admin.get("/operators", limit=2, **({"cursor": cursor} if cursor else {}))).body
        seen += [operator["name"] for operator in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["Ana", "Ben", "Cleo", "Dora"]


async def test_a_bad_query_is_refused_by_field(console):
    admin = await console.signed_in("ana", "admin")
    for query, field in (
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "made up"}, "cursor"),
        ({"cursor": "WyJhIiwiYiJd"}, "cursor"),
        ({"other": 1}, "other"),
    ):
        answer = await admin.get("/operators", **query)
        assert (answer.status, answer.body["field"]) == (422, field)


async def test_an_unknown_operator_is_not_there(console):
    admin = await console.signed_in("ana", "admin")
    for name in ("nobody", "0" * 32, "x" * 300):
        assert (await admin.get(f"/operators/{name}")).code == "unknown_operator"


async def create_admin(env, *arguments, password=PASSWORD):
    env = {**env, **({"CONVOBOSS_ADMIN_PASSWORD": password} if password is not None else {})}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "console", "create-admin", *arguments),
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(child.communicate(), 60)
    return child.returncode, out.decode(), error.decode()


async def test_the_first_admin_is_made_by_a_command_on_an_empty_database(service_env):
    made = await create_admin(service_env, "--email", "Ana@example.com", "--name", "Ana")
    assert made[:2] == (0, "ana@example.com is an admin now.\n")
    again = await create_admin(service_env, "--email", "ana@example.com", "--name", "Ana")
    assert again[:2] == (0, "ana@example.com is an admin already; nothing was changed.\n")
