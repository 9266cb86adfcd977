"""Flows: what is wrong with them is told by block and field; what is published is on the real topic before a bot follows it."""

import asyncio
import json

import pytest
import pytest_asyncio
import yaml
from console_world import Reader, a_console, eventually

from schemas.topics import BOTS, FLOWS

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLOW = {
    "id": "main",
    "name": "Main",
    "blocks": {
        "start": {"kind": "start"},
        "hello": {"kind": "message", "text": "Hello {{first_name}}"},
    },
    "wires": [{"block": "start", "port": "next", "to": "hello"}],
}
DRAFT = "/bots/shop/flows/main/draft"
PUBLISH = "/bots/shop/flows/main/publish"
VERSIONS = "/bots/shop/flows/main/versions"
YAML = {"Content-Type": "application/yaml"}
ANY = {"If-Match": "*"}


@pytest_asyncio.fixture(loop_scope="module")
async def admin(console):
    browser = await console.signed_in("ana", "admin")
    assert (await browser.post("/bots", {"id": "shop", "name": "Shop"})).status == 201
    return browser


@pytest_asyncio.fixture(loop_scope="module")
async def flows(kafka_bootstrap, console):
    async with Reader(kafka_bootstrap, FLOWS) as made:
        yield made


async def test_a_flow_goes_from_draft_to_the_bot_by_way_of_the_broker(admin, flows, kafka_bootstrap):
    draft = await admin.ask("PUT", DRAFT, FLOW)
    assert (draft.status, draft.body["revision"], draft.headers["ETag"]) == (201, 1, '"1"')
    assert [problem for problem in draft.body["problems"] if problem["severity"] == "error"] == []
    published = await admin.post(PUBLISH, {"note": "first"}, headers={"If-Match": '"1"'})
    assert published.status == 201, published
    assert (published.body["ref"], published.body["state"], published.body["note"]) == ("main@1", "published", "first")
    assert published.body["published_by"]["name"] == "Ana"
    assert (await admin.get("/bots/shop")).body["flow"] == "main@1"
    flow = await flows.next()
    assert (flow.ref, flow.bot, flow.document.blocks["hello"].text) == ("main@1", "shop", "Hello {{first_name}}")
    async with Reader(kafka_bootstrap, BOTS) as bots:
        await admin.ask("PATCH", "/bots/shop", {"name": "New"}, headers=ANY)
        assert (await bots.until(lambda event: event.name == "New"))[-1].flow == "main@1"


async def test_versions_are_numbered_and_never_change(admin):
    for number in range(1, 4):
        document = json.loads(json.dumps(FLOW).replace("Hello", f"Hello {number}"))
        await admin.put(DRAFT, document)
        assert (await admin.post(PUBLISH, headers=ANY)).body["version"] == number
    listed = (await admin.get(VERSIONS)).body["items"]
    assert [version["version"] for version in listed] == [3, 2, 1]
    first = (await admin.get(f"{VERSIONS}/1")).body
    assert first["document"]["blocks"]["hello"]["text"] == "Hello 1 {{first_name}}"
    assert (await admin.get("/bots/shop")).body["flow"] == "main@3"
    assert (await admin.get(f"{VERSIONS}/4")).code == "unknown_version"
    assert (await admin.get("/bots/shop/flows")).body["items"][0]["published"] == 3


async def test_a_bot_does_not_follow_a_version_that_the_broker_does_not_have(kafka, kafka_bootstrap, database_url):
    """The broker is away: the bot stays as it is, and follows as soon as the broker has the version."""
    async with (
        a_console(kafka_bootstrap, database_url, publish_wait=1.0) as console,
        Reader(kafka_bootstrap, FLOWS) as flows,
    ):
        admin = await console.signed_in("ana", "admin")
        await admin.post("/bots", {"id": "shop", "name": "Shop"})
        await admin.ask("PUT", DRAFT, FLOW)
        await kafka.pause()
        answer = await admin.post(PUBLISH, headers=ANY)
        assert (answer.status, answer.body["state"], answer.body["published_at"]) == (202, "publishing", None)
        assert (await admin.get("/bots/shop")).body["flow"] is None
        await kafka.resume()
        finishing = asyncio.ensure_future(console.services.flows.run())

        async def followed():
            return (await admin.get("/bots/shop")).body["flow"] == "main@1"

        await eventually(followed)
        finishing.cancel()
        assert (await admin.get(f"{VERSIONS}/1")).body["state"] == "published"
        assert (await flows.next()).ref == "main@1"


async def test_two_processes_that_finish_the_same_publication_change_the_bot_once(console, admin):
    await admin.ask("PUT", DRAFT, FLOW)
    from console.repository import flows

    published = (await admin.post(PUBLISH, headers=ANY)).body
    version = await flows.get_version(console.services.pool, "shop", "main", 1)
    before = (await admin.get("/bots/shop")).body["version"]
    await asyncio.gather(*(console.services.flows.publish(version) for _ in range(3)))
    assert (await admin.get("/bots/shop")).body["version"] == before
    assert (await admin.get(f"{VERSIONS}/1")).body["published_at"] == published["published_at"]


async def test_a_flow_with_errors_is_kept_as_a_draft_and_not_published(admin):
    broken = {
        **FLOW,
        "blocks": {
            **FLOW["blocks"],
            "person": {"kind": "let_human_takeover", "notify_admin": True, "emails": ["no address"], "auto_return": 0},
        },
        "wires": [{"block": "start", "port": "next", "to": "nowhere"}],
    }
    draft = await admin.ask("PUT", DRAFT, broken)
    assert draft.status == 201
    places = {(problem["block"], problem["field"]) for problem in draft.body["problems"]}
    assert draft.body["document"] == broken
    answer = await admin.post(PUBLISH, headers=ANY)
    assert (answer.status, answer.code) == (422, "flow_invalid")
    assert {error["field"].removeprefix("blocks.") for error in answer.body["errors"]} >= {
        ".".join(part for part in place if part) for place in places if place[0] == "person"
    }
    assert places
    assert (await admin.get("/bots/shop")).body["flow"] is None


async def test_a_document_is_checked_without_being_kept(admin):
    good = await admin.post("/flows/validate", FLOW)
    assert good.body["valid"] is True
    bad = await admin.post("/flows/validate", {**FLOW, "blocks": {}})
    assert bad.body["valid"] is False
    assert bad.body["problems"][0]["message"]
    assert (await admin.get("/bots/shop/flows")).body["items"] == []


async def test_a_flow_may_come_as_yaml(admin):
    text = yaml.safe_dump(FLOW).encode()
    assert (await admin.post("/flows/validate", raw=text, headers=YAML)).body["valid"] is True
    draft = await admin.ask("PUT", DRAFT, raw=text, headers=YAML)
    assert (draft.status, draft.body["document"]) == (201, FLOW)


async def test_a_body_that_is_no_document_is_refused(admin):
    for raw, content_type, status, code in (
        (b"{", "application/json", 400, "bad_json"),
        (b"[" * 100_000, "application/json", 400, "bad_json"),
        (b'{"a": NaN}', "application/json", 422, "invalid"),
        (b'{"a": "\\ud800"}', "application/json", 422, "invalid"),
        (b"[]", "application/json", 422, "invalid"),
        (b"{}", "text/html", 415, "media_type"),
        (b'{"a": "' + b"x" * 900_000 + b'"}', "application/json", 413, "too_large"),
    ):
        answer = await admin.post("/flows/validate", raw=raw, headers={"Content-Type": content_type})
        assert (answer.status, answer.code) == (status, code), raw[:20]


async def test_the_document_has_the_id_of_its_address(admin):
    draft = await admin.ask("PUT", "/bots/shop/flows/other/draft", FLOW)
    assert (draft.status, draft.body["problems"][0]["field"]) == (201, "id")
    assert (await admin.post("/bots/shop/flows/other/publish", headers=ANY)).code == "flow_invalid"


async def test_two_editors_do_not_overwrite_each_other(console, admin):
    await admin.ask("PUT", DRAFT, FLOW)
    dora = await console.signed_in("dora", "admin")
    assert (await dora.put(DRAFT, {**FLOW, "name": "Dora's"}, version=1)).body["revision"] == 2
    answer = await admin.put(DRAFT, {**FLOW, "name": "Ana's"}, version=1)
    assert (answer.status, answer.code, answer.body["version"]) == (412, "changed_since", 2)
    assert answer.body["changed_by"]["name"] == "Dora"
    assert (await admin.ask("PUT", DRAFT, FLOW)).status == 428
    assert (await admin.post(PUBLISH, headers={"If-Match": '"1"'})).status == 412
    assert (await admin.post(PUBLISH)).status == 428
    assert (await admin.get(DRAFT)).body["document"]["name"] == "Dora's"


async def test_a_flow_belongs_to_one_bot(admin):
    await admin.post("/bots", {"id": "other", "name": "Other"})
    await admin.ask("PUT", DRAFT, FLOW)
    answer = await admin.put("/bots/other/flows/main/draft", FLOW)
    assert (answer.status, answer.code) == (409, "flow_taken")
    for path in ("draft", "versions", "versions/1"):
        assert (await admin.get(f"/bots/other/flows/main/{path}")).status == 404
    assert (await admin.post("/bots/other/flows/main/publish", headers=ANY)).status == 404


async def test_keys_keep_their_order(console, admin):
    document = {"name": "Main", "wires": FLOW["wires"], "id": "main", "blocks": FLOW["blocks"]}
    await admin.ask("PUT", DRAFT, document)
    stored = await console.services.pool.fetchval("SELECT document FROM flow")
    assert list(json.loads(stored)) == list(document)


async def test_a_flow_that_is_too_much_for_the_broker_is_refused_and_leaves_no_version(admin, monkeypatch):
    monkeypatch.setattr("runtime.packing.MAX_RECORD", 100)
    assert (await admin.ask("PUT", DRAFT, FLOW)).status == 201
    answer = await admin.post(PUBLISH, headers=ANY)
    assert (answer.status, answer.code) == (422, "too_large")
    assert (await admin.get(VERSIONS)).body["items"] == []
