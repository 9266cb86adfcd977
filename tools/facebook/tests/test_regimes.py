"""The four ways in which a page decides who has its threads."""

import pytest

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


def code_of(answer) -> int:
    return answer[1]["error"]["code"]


@pytest.mark.parametrize(
    ("regime", "feature"),
    [
        ("routing", (True, False)),
        ("routing_no_take", (True, False)),
        ("zero_config", (False, True)),
        ("roles", (False, False)),
    ],
)
async def test_the_regime_is_chosen_by_name_and_seen_by_the_app(box, regime, feature) -> None:
    await box.regime(regime)
    [page] = (await box.get("state"))["pages"]
    assert page["regime"] == regime
    status = (await box.graph("me?fields=messaging_feature_status"))[1]["messaging_feature_status"]
    assert (status["hop_v2"], status["msgr_multi_app"]) == feature
    assert (await box.record("page") or [{"regime": "routing"}])[-1]["regime"] == regime


async def test_without_the_take_switch_control_that_was_passed_does_not_come_back_by_taking(box) -> None:
    await box.regime("routing_no_take")
    await box.say()
    await box.control("pass", target_app_id=INBOX)
    assert code_of(await box.control("take")) == 200
    tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    assert (await box.send("x", **tagged))[1]["error"]["error_subcode"] == 2018300
    await box.post(f"inbox/{MIA}/move_to_done")
    assert (await box.send("x"))[0] == 200


async def test_zero_config_gives_messaging_to_all_and_everybody_may_answer(box, ours, other) -> None:
    await box.regime("zero_config")
    await box.say()
    assert [(await ours.count(1))[0].channel, (await other.count(1))[0].channel] == ["messaging", "messaging"]
    assert [(await box.send("x", app))[0] for app in (OURS, OTHER)] == [200, 200]
    assert code_of(await box.control("take")) == 27
    assert await box.control("request") == (200, {"success": True})
    assert (await box.conversation())["owner"] == OURS
    assert code_of(await box.send("x", thread_control={"control_type": "pass", "app_id": INBOX})) == 100


class TestRoles:
    @pytest.fixture
    async def roles(self, box):
        await box.regime("roles", app=OURS)
        return box

    async def test_a_new_primary_is_told_of_its_role(self, roles, ours) -> None:
        [told] = await ours.count(1)
        assert told.event["app_roles"] == {OURS: ["primary_receiver"]}
        assert "sender" not in told.event

    async def test_the_primary_has_every_thread_from_the_start_and_without_end(self, roles, ours, other) -> None:
        await roles.say()
        await roles.post("clock", {"advance_s": 3 * 86400})
        await roles.say()
        _, owner = await roles.graph(f"me/thread_owner?recipient={MIA}")
        assert owner == {"data": [{"thread_owner": {"app_id": OURS}}]}
        await ours.count(3)
        await other.count(3)
        assert [one.channel for one in ours.events[1:]] == ["messaging", "messaging"]
        assert [one.channel for one in other.events[1:]] == ["standby", "standby"]

    async def test_the_primary_takes_always_and_nobody_else_does(self, roles) -> None:
        await roles.say()
        await roles.control("pass", target_app_id=OTHER)
        assert code_of(await roles.send("x")) == 10
        assert await roles.control("take") == (200, {"success": True})
        assert code_of(await roles.control("take", OTHER)) == 200
        assert (await roles.conversation())["owner"] == OURS

    async def test_control_that_was_passed_stays_until_it_is_taken(self, roles) -> None:
        await roles.say()
        await roles.control("pass", target_app_id=OTHER)
        await roles.post("clock", {"advance_s": 3 * 86400})
        assert (await roles.conversation())["owner"] == OTHER

    async def test_a_tagged_message_of_a_person_takes_nothing(self, roles) -> None:
        await roles.say()
        await roles.control("pass", target_app_id=OTHER)
        tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
        assert (await roles.send("x", **tagged))[1]["error"]["error_subcode"] == 2018300

    async def test_the_primary_is_asked_whoever_has_the_thread(self, roles, ours, other) -> None:
        await roles.say()
        await roles.control("pass", target_app_id=OTHER)
        await roles.post(f"inbox/{MIA}/move_to_main")
        await roles.say("end")
        await ours.count(4)
        await other.count(4)
        assert [name for _, name in ours.names()] == ["app_roles", "message", "request_thread_control", "message"]
        assert [name for _, name in other.names()] == ["app_roles", "message", "pass_thread_control", "message"]

    async def test_a_secondary_asks_and_the_primary_grants_by_passing(self, roles, ours) -> None:
        await roles.say()
        assert await roles.control("request", OTHER, metadata="please") == (200, {"success": True})
        asked = (await ours.count(3))[2]
        assert asked.event["request_thread_control"] == {"requested_owner_app_id": OTHER, "metadata": "please"}
        assert (await roles.conversation())["owner"] == OURS
        assert await roles.control("pass", target_app_id=OTHER) == (200, {"success": True})
        assert code_of(await roles.control("request")) == 100

    async def test_what_came_with_routing_is_refused(self, roles) -> None:
        await roles.say()
        assert code_of(await roles.control("release")) == 100
        assert code_of(await roles.control("extend", duration=60)) == 100
        assert code_of(await roles.control("pass")) == 100
        assert code_of(await roles.send("x", thread_control={"control_type": "pass", "app_id": INBOX})) == 100
        assert code_of(await roles.graph("me/conversations?fields=is_owner")) == 100

    async def test_secondary_receivers_are_shown_to_the_primary_alone(self, roles) -> None:
        _, seen = await roles.graph("me/secondary_receivers?fields=id,name")
        assert seen["data"] == [{"id": OTHER, "name": "app 222"}, {"id": INBOX, "name": "Page Inbox"}]
        assert (await roles.graph("me/secondary_receivers", app=OTHER))[1]["error"]["error_subcode"] == 2018234

    async def test_staffs_move_to_main_asks_and_done_passes_to_the_primary(self, roles, ours) -> None:
        await roles.say()
        await roles.post(f"inbox/{MIA}/move_to_main")
        asked = (await ours.count(3))[2]
        assert asked.event["request_thread_control"] == {"requested_owner_app_id": INBOX}
        assert (await roles.conversation())["folder"] == "done"
        await roles.control("pass", target_app_id=INBOX)
        assert (await roles.conversation())["folder"] == "main"
        await roles.post(f"inbox/{MIA}/move_to_done")
        passed = (await ours.count(4))[3]
        assert passed.event["pass_thread_control"] == {"previous_owner_app_id": INBOX, "new_owner_app_id": OURS}

    async def test_staffs_reply_from_done_speaks_and_asks(self, roles, ours) -> None:
        await roles.say()
        await roles.post(f"inbox/{MIA}/reply", {"text": "I am here"})
        await ours.count(4)
        assert [name for _, name in ours.names()[2:]] == ["request_thread_control", "message"]

    async def test_where_the_inbox_is_primary_it_takes(self, box, ours) -> None:
        await box.regime("roles", app=INBOX)
        await box.say()
        assert (await box.conversation())["folder"] == "main"
        assert (await box.refused("POST", f"inbox/{MIA}/move_to_done", {}))[0] == 409
        assert code_of(await box.send("x")) == 10


async def test_a_page_has_a_default_app_or_a_primary_receiver_not_both(box) -> None:
    status, error = await box.refused("PATCH", f"pages/{PAGE}", {"primary": OURS})
    assert (status, error["field"]) == (400, "body")
    status, error = await box.refused("PATCH", f"pages/{PAGE}", {"primary": "999", "default_app": None})
    assert "primary is not an app connected" in error["message"]


async def test_a_page_inbox_that_is_not_connected_only_speaks_in_every_regime(box, ours) -> None:
    for number, regime in enumerate(("routing", "routing_no_take", "zero_config", "roles")):
        await box.regime(regime, inbox_is_receiver=False)
        await box.say()
        await box.post(f"inbox/{MIA}/reply", {"text": f"reply {number}"})
        assert (await box.send("still ours"))[0] == 200
        assert (await box.conversation())["folder"] == "main"
        assert (await box.refused("POST", f"inbox/{MIA}/move_to_done", {}))[0] == 409
