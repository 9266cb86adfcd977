"""The control API: clear refusals, the record, waiting for a fact."""

import asyncio
import json

import pytest

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", f"customers/{MIA}/say", {}, "body"),
        ("POST", f"customers/{MIA}/say", {"text": ""}, "text"),
        ("POST", f"customers/{MIA}/say", {"txt": "hi"}, "txt"),
        ("POST", f"customers/{MIA}/say", [], "body"),
        ("POST", f"customers/{MIA}/quick_reply", {}, "body"),
        ("POST", f"customers/{MIA}/postback", {"title": "x"}, "payload"),
        ("POST", f"inbox/{MIA}/reply", {"text": 5}, "text"),
        ("POST", f"inbox/{MIA}/move_to_main", {"psid": MIA}, "psid"),
        ("PUT", "faults", {"fail_5xx": -1}, "fail_5xx"),
        ("PUT", "apps/333", {"secret": "s", "verify_token": "v", "webhook_url": "ftp://x"}, "webhook_url"),
        ("PUT", "pages/901", {"name": "x", "tokens": {OURS: ""}}, "tokens.111"),
        ("PATCH", f"pages/{PAGE}", {"default_app": "999"}, "body"),
        ("POST", "clock", {"advance_s": 0}, "advance_s"),
    ],
)
async def test_bad_body_is_400_that_names_the_field(box, method, path, body, field) -> None:
    status, error = await box.refused(method, path, body)
    assert (status, error["field"]) == (400, field)
    assert error["message"]


async def test_body_that_is_not_json_or_not_declared_as_json_is_400(box) -> None:
    form = await box.client.post(f"/box/customers/{MIA}/say", data={"text": "hi"})
    assert (form.status, (await form.json())["error"]["field"]) == (400, "Content-Type")
    broken = await box.client.post(f"/box/customers/{MIA}/say", data="{", headers={"Content-Type": "application/json"})
    assert (broken.status, (await broken.json())["error"]["field"]) == (400, "body")


@pytest.mark.parametrize(
    ("path", "field"),
    [("customers/404/say", "psid"), ("inbox/404/reply", "psid"), (f"customers/{MIA}/say?page=404", "page")],
)
async def test_unknown_name_is_404_that_names_the_field(box, path, field) -> None:
    status, error = await box.refused("POST", path, {"text": "hi"})
    assert (status, error["field"]) == (404, field)


async def test_psid_on_two_pages_needs_the_page(box) -> None:
    customers = [{"psid": MIA, "first_name": "Mia"}]
    page = {"name": "Second", "tokens": {OURS: "t2"}, "customers": customers}
    assert (await box.client.put("/box/pages/901", json=page)).status == 200
    status, error = await box.refused("POST", f"customers/{MIA}/say", {"text": "hi"})
    assert (status, error["field"]) == (400, "page")
    said = await box.post(f"customers/{MIA}/say?page=901", {"text": "hi"})
    assert said["conversation"]["page_id"] == "901"


async def test_request_of_another_site_is_refused(box) -> None:
    response = await box.client.post(
        f"/box/customers/{MIA}/say", json={"text": "hi"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert response.status == 403


async def test_page_of_an_unknown_app_is_refused(box) -> None:
    status, error = await box.refused("PUT", "pages/901", {"name": "x", "tokens": {"333": "t"}})
    assert (status, error["field"]) == (404, "tokens")


async def test_customer_is_added_and_writes(box, ours) -> None:
    added = await box.post(f"pages/{PAGE}/customers", {"first_name": "Noor"})
    await box.say("hi", added["psid"])
    assert (await ours.count(1))[0].event["sender"] == {"id": added["psid"]}


async def test_no_secret_and_no_token_is_ever_shown(box, ours) -> None:
    await box.say()
    await box.send("x")
    await ours.count(2)
    shown = json.dumps([await box.get("state"), await box.get("record"), await box.get("conversations")])
    for secret in ("secret-of-ours", "token-of-ours", "verify-111"):
        assert secret not in shown


async def test_record_tells_everything_in_order(box, ours) -> None:
    said = await box.say()
    await box.send("Hello", message={"metadata": "m1"}, thread_control={"control_type": "pass", "app_id": INBOX})
    await ours.count(2)
    entries = (await box.get("record", psid=MIA, kind="customer,thread_control,send"))["entries"]
    assert [entry["kind"] for entry in entries] == ["thread_control", "customer", "send", "thread_control"]
    assert entries[0]["action"] == "assign"
    assert entries[1]["seq"] == said["seq"]
    assert (entries[2]["app_id"], entries[2]["metadata"], entries[2]["thread_control"]) == (
        OURS,
        "m1",
        {"control_type": "pass", "app_id": INBOX},
    )
    assert (entries[3]["previous_owner"], entries[3]["new_owner"]) == (OURS, INBOX)
    sequence = [entry["seq"] for entry in (await box.get("record"))["entries"]]
    assert sequence == list(range(1, len(sequence) + 1))


async def test_waiting_ends_with_the_fact_and_without_it_at_the_deadline(box) -> None:
    last = (await box.get("record"))["last"]
    waiting = asyncio.create_task(box.get("events", kind="customer", psid=MIA, after=last, wait=10))
    await box.say("not her", JONAS)
    await box.say("her")
    found = await waiting
    assert [entry["text"] for entry in found["entries"]] == ["her"]
    nothing = await box.get("events", kind="inbox", after=found["last"], wait=0.05)
    assert nothing["entries"] == []


async def test_event_stream_resumes_after_the_last_event_seen(box) -> None:
    await box.say("one")
    seen = (await box.record("customer"))[0]["seq"]
    await box.say("two")
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(seen)}
    async with box.client.get("/box/events", params={"kind": "customer"}, headers=headers) as stream:
        assert stream.content_type == "text/event-stream"
        text = (await stream.content.readuntil(b"\n\n")).decode()
    head, data = text.strip().split("\n")
    assert head.startswith("id: ")
    assert json.loads(data.removeprefix("data: "))["text"] == "two"


async def test_record_is_bounded_and_numbers_go_on(box_file, settings) -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from facebook.main import build

    small = settings.model_copy(update={"facebook_record_limit": 100})
    async with TestClient(TestServer(build(small, box_file))) as client:
        for _ in range(120):
            await client.post(f"/box/customers/{MIA}/read", json={})
        answer = await (await client.get("/box/record")).json()
        assert len(answer["entries"]) == 100
        assert answer["entries"][-1]["seq"] == answer["last"]
        assert answer["entries"][0]["seq"] == answer["last"] - 99


async def test_reset_forgets_conversations_and_faults_but_not_pages(box) -> None:
    await box.say()
    await box.faults(refuse_token=True)
    await box.post("reset")
    conversation = await box.conversation()
    assert (conversation["owner"], conversation["last"]) == (None, None)
    assert (await box.graph("me"))[0] == 200


async def test_latest_conversation_is_listed_first(box) -> None:
    await box.say("one", MIA)
    await box.say("two", JONAS)
    listed = (await box.get("conversations", page=PAGE))["conversations"]
    assert [view["psid"] for view in listed] == [JONAS, MIA]


async def test_page_is_served_with_a_policy_that_allows_own_scripts_only(box) -> None:
    response = await box.client.get("/")
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for name in ("style.css", "app.js", "api.js", "draw.js", "controls.js"):
        assert (await box.client.get(f"/page/{name}")).status == 200
    assert (await box.client.get("/page/../main.py")).status == 404
    assert (await box.client.get("/page/secrets.txt")).status == 404


async def test_health_and_readiness_answer(box, ours) -> None:
    await box.fact("app", app_id=OURS, what="verified")
    assert (await box.client.get("/healthz")).status == 200
    ready = await (await box.client.get("/readyz")).json()
    assert ready["status"] == "ok"
    assert not [remark for remark in ready["remarks"] if "111" in remark]
