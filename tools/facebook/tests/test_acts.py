"""What customers can do, in the shapes that Facebook tells it, plain and odd."""

import json

import pytest

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"
LEAD_GEN = "413038776280800"


async def told(hook, number: int = 1):
    return (await hook.count(number))[number - 1].event


@pytest.mark.parametrize(
    ("attachment", "shown"),
    [
        ({"type": "audio", "url": "https://x/a"}, {"type": "audio", "payload": {"url": "https://x/a"}}),
        (
            {"type": "sticker", "url": "https://x/like", "sticker_id": 369239263222822},
            {"type": "sticker", "payload": {"url": "https://x/like", "sticker_id": 369239263222822}},
        ),
        (
            {"type": "location", "coordinates": {"lat": 52.5, "long": 13.4}},
            {
                "type": "location",
                "title": "Pinned Location",
                "url": None,
                "payload": {"coordinates": {"lat": 52.5, "long": 13.4}},
            },
        ),
        (
            {"type": "fallback", "url": "https://x/", "title": "A page"},
            {"type": "fallback", "title": "A page", "url": "https://x/", "payload": None},
        ),
        ({"type": "unsupported_type"}, {"type": "unsupported_type", "payload": None}),
        ({"raw": {}}, {}),
        ({"raw": {"type": "image", "payload": "a text"}}, {"type": "image", "payload": "a text"}),
    ],
)
async def test_attachments_of_all_kinds(box, ours, attachment, shown) -> None:
    await box.act("say", attachments=[attachment])
    assert (await told(ours))["message"]["attachments"] == [shown]


async def test_a_reply_names_the_message_it_answers_even_one_that_is_unknown(box, ours) -> None:
    first = await box.say("first")
    await box.act("say", text="as I said", reply_to=first["mid"])
    assert (await told(ours, 2))["message"]["reply_to"] == {"mid": first["mid"], "is_self_reply": True}
    await box.act("say", text="?", reply_to="m_unknown")
    assert (await told(ours, 3))["message"]["reply_to"] == {"mid": "m_unknown", "is_self_reply": False}


async def test_extras_go_into_the_message_and_beside_it(box, ours) -> None:
    await box.act("say", text="hi", more={"commands": [{"name": "x"}]}, beside={"prior_message": {"source": "plugin"}})
    event = await told(ours)
    assert event["message"]["commands"] == [{"name": "x"}]
    assert event["prior_message"] == {"source": "plugin"}


async def test_an_edit_and_an_unsent_message_change_what_was_said(box, ours) -> None:
    said = await box.say("helo")
    await box.act("edit", mid=said["mid"], text="hello")
    await box.act("edit", mid=said["mid"], text="hello!")
    assert (await told(ours, 3))["message_edit"] == {"mid": said["mid"], "text": "hello!", "num_edit": 2}
    await box.act("unsend", mid=said["mid"])
    assert (await told(ours, 4))["message"] == {"mid": said["mid"], "is_deleted": True}
    [line] = [line for line in (await box.get(f"conversations/{PAGE}/{MIA}"))["lines"] if line["mid"]]
    assert (line["text"], line["deleted"], line["edits"]) == (None, True, 2)
    for gesture in ("edit", "unsend"):
        body = {"mid": said["mid"]} | ({"text": "x"} if gesture == "edit" else {})
        assert (await box.refused("POST", f"customers/{MIA}/{gesture}", body))[0] == 404


async def test_a_reaction_opens_the_window_and_can_be_taken_back(box, ours) -> None:
    await box.say()
    _, sent = await box.send("Hello")
    await box.post("clock", {"advance_s": 90_000})
    assert (await box.send("x"))[1]["error"]["error_subcode"] == 2018278
    await box.act("react", mid=sent["message_id"], emoji="😍", reaction="love")
    event = await told(ours, 3)
    assert event["reaction"] == {"mid": sent["message_id"], "action": "react", "reaction": "love", "emoji": "😍"}
    assert (await box.send("x"))[0] == 200
    await box.act("react", mid=sent["message_id"], emoji=None)
    assert (await told(ours, 5))["reaction"] == {"mid": sent["message_id"], "action": "unreact"}


async def test_a_link_opens_the_window(box, ours) -> None:
    await box.act("referral", ref="flyer")
    assert (await told(ours))["referral"] == {"ref": "flyer", "source": "SHORTLINK", "type": "OPEN_THREAD"}
    assert (await box.send("Welcome"))[0] == 200


async def test_a_postback_can_carry_where_the_customer_came_from(box, ours) -> None:
    await box.act("postback", payload="GET_STARTED", referral={"source": "ADS", "ad_id": 7})
    assert (await told(ours))["postback"]["referral"] == {"source": "ADS", "type": "OPEN_THREAD", "ad_id": "7"}


async def test_an_opt_in_of_somebody_unknown_has_no_sender(box, ours) -> None:
    await box.act("optin", ref="newsletter")
    assert (await told(ours))["optin"] == {"ref": "newsletter"}
    await box.act("optin", ref="newsletter", user_ref="browser-1")
    event = await told(ours, 2)
    assert "sender" not in event


async def test_accounts_are_linked_without_a_time_and_unlinked(box, ours) -> None:
    await box.act("account_linking", authorization_code="abc")
    event = await told(ours)
    assert event["account_linking"] == {"status": "linked", "authorization_code": "abc"}
    assert "timestamp" not in event
    await box.act("account_linking")
    assert (await told(ours, 2))["account_linking"] == {"status": "unlinked"}


async def test_deliveries_with_and_without_mids(box, ours) -> None:
    await box.act("deliver", mids=["m_1"])
    await box.act("deliver")
    assert (await told(ours))["delivery"]["mids"] == ["m_1"]
    assert (await told(ours, 2))["delivery"].keys() == {"watermark"}


async def test_a_message_request_is_a_bare_word(box, ours) -> None:
    await box.act("message_request")
    assert (await told(ours))["message_request"] == "accept"


async def test_policy_and_roles_are_events_of_the_page_with_and_without_a_hyphen(box, ours) -> None:
    await box.post(f"pages/{PAGE}/policy", {"action": "block", "reason": "spam"})
    await box.page(shapes={"hyphens": True})
    await box.post(f"pages/{PAGE}/policy", {"action": "unblock"})
    await box.post(f"pages/{PAGE}/app_roles", {"roles": {OURS: ["automation"]}})
    first, second, roles = (one.event for one in await ours.count(3))
    assert first["policy_enforcement"] == {"action": "block", "reason": "spam"}
    assert second["policy-enforcement"] == {"action": "unblock"}
    assert roles["app_roles"] == {OURS: ["automation"]}
    assert not [event for event in (first, second, roles) if "sender" in event]


async def test_a_lead_advertisement_holds_the_thread_and_speaks_for_the_customer_at_its_end(box, ours, other) -> None:
    await box.act("lead_begin")
    assert (await box.conversation())["owner"] == LEAD_GEN
    await box.say("an answer that no app hears")
    status, answer = await box.send("x")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 10, 2018321)
    await box.act("lead_end", target=OURS, answers={"Size?": "M"}, summary="Size? M")
    passed, outcome, summary = (one.event for one in await ours.count(3))
    assert passed["pass_thread_control"] == {"previous_owner_app_id": LEAD_GEN, "new_owner_app_id": OURS}
    assert outcome["referral"]["type"] == "LEAD_COMPLETE"
    assert outcome["lead"] == {"data": [{"question": "Size?", "answer": "M"}]}
    assert summary["message"]["text"] == "Size? M"
    assert summary["hop_context"] == [{"app_id": int(LEAD_GEN), "metadata": "messenger_lead_gen"}]
    assert (await box.send("Thank you"))[0] == 200
    assert (await box.refused("POST", f"customers/{MIA}/lead_end", {}))[0] == 409


async def test_a_lead_flow_without_target_leaves_the_thread_to_the_default_app(box, ours) -> None:
    await box.act("lead_begin")
    await box.act("lead_end", is_complete=False)
    [outcome] = await ours.count(1)
    assert (outcome.channel, outcome.event["referral"]["type"]) == ("messaging", "LEAD_INCOMPLETE")
    status, _ = await box.refused("POST", f"customers/{JONAS}/lead_end", {})
    assert status == 409


async def test_changes_of_the_page_come_in_their_own_array(box, ours) -> None:
    await box.post(f"pages/{PAGE}/changes", {"field": "feed", "value": {"item": "post"}})
    await box.say()
    await ours.count(1)
    [entry] = json.loads(ours.bodies[0])["entry"]
    assert entry["changes"] == [{"field": "feed", "value": {"item": "post"}}]


async def test_a_raw_event_goes_out_as_it_is_in_its_turn(box, ours, other) -> None:
    await box.page(shapes={"ids_as_numbers": True})
    await box.post(
        f"pages/{PAGE}/raw", {"app": OURS, "channel": "standby", "event": {"sender": {"id": "x"}, "game_play": 1}}
    )
    [only] = await ours.count(1)
    assert (only.channel, only.event) == ("standby", {"sender": {"id": "x"}, "game_play": 1})
    assert other.events == []


async def test_a_raw_body_is_signed_and_its_answer_shown(box, ours) -> None:
    body = {"object": "instagram", "entry": []}
    assert (await box.post(f"apps/{OURS}/raw", {"body": body}))["status"] == 200
    assert json.loads(ours.bodies[-1]) == body
    ours.answers.append(500)
    assert (await box.post(f"apps/{OURS}/raw", {"body": {"entry": []}}))["status"] == 500


@pytest.mark.parametrize(
    ("shapes", "sender", "time"),
    [
        ({"ids_as_numbers": True}, int(MIA), "ms"),
        ({"times": "seconds"}, MIA, "seconds"),
        ({"times": "text"}, MIA, "text"),
        ({"times": "iso"}, MIA, "iso"),
        ({"times": "missing"}, MIA, None),
    ],
)
async def test_odd_shapes_of_ids_and_times(box, ours, shapes, sender, time) -> None:
    await box.page(shapes=shapes)
    await box.say()
    event = await told(ours)
    assert event["sender"]["id"] == sender
    at = event.get("timestamp")
    match time:
        case None:
            assert at is None
        case "ms":
            assert at > 10**12
        case "seconds":
            assert 10**9 < at < 10**10
        case "text":
            assert at.isdecimal()
        case "iso":
            assert at.endswith("Z")


@pytest.mark.parametrize(
    ("entry_times", "fits"),
    [
        ("seconds", lambda entry: entry["time"] < 10**10),
        ("float", lambda entry: isinstance(entry["time"], float)),
        ("missing", lambda entry: "time" not in entry),
    ],
)
async def test_odd_times_of_entries(box, ours, entry_times, fits) -> None:
    await box.page(shapes={"entry_times": entry_times})
    await box.say()
    await ours.count(1)
    assert fits(json.loads(ours.bodies[0])["entry"][0])


async def test_odd_shapes_of_thread_control(box, ours, other) -> None:
    await box.page(shapes={"old_handovers": True, "swapped_handovers": True, "ids_as_numbers": True})
    await box.say()
    await box.control("pass", target_app_id=OTHER)
    passed = await told(other, 2)
    assert passed["pass_thread_control"] == {"new_owner_app_id": int(OTHER)}
    assert passed["sender"] == {"id": int(PAGE)}
    await box.control("take")
    assert (await told(other, 3))["take_thread_control"] == {"previous_owner_app_id": int(OTHER)}


async def test_thread_control_without_a_recipient(box, other) -> None:
    await box.page(shapes={"no_handover_recipient": True})
    await box.control("pass", target_app_id=OTHER)
    assert "recipient" not in await told(other)


async def test_older_shapes_of_messages(box, ours) -> None:
    old = {
        "seq": True,
        "no_postback_mid": True,
        "no_echo_app_id": True,
        "edit_count_as_text": True,
        "stickers": "image",
    }
    await box.page(shapes=old)
    said = await box.say()
    await box.send("Hello")
    await box.act("postback", payload="P")
    await box.act("edit", mid=said["mid"], text="x")
    await box.act("say", attachments=[{"type": "sticker", "url": "https://x/l", "sticker_id": "369239263222822"}])
    message, echo, postback, edit, sticker = (one.event for one in await ours.count(5))
    assert message["message"]["seq"]
    assert "app_id" not in echo["message"]
    assert "mid" not in postback["postback"]
    assert edit["message_edit"]["num_edit"] == "1"
    assert sticker["message"]["sticker_id"] == 369239263222822
    assert sticker["message"]["attachments"][0]["type"] == "image"
