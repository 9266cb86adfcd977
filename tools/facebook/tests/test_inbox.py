"""Gestures of staff in the Page Inbox, as the app beside it sees them."""

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


async def test_staff_reply_takes_the_thread_and_is_echoed_on_standby(box, ours) -> None:
    await box.say()
    said = await box.post(f"inbox/{MIA}/reply", {"text": "A person here"})
    assert (said["conversation"]["owner"], said["conversation"]["folder"]) == (INBOX, "main")
    _, taken, echo = await ours.count(3)
    assert taken.channel == "messaging"
    assert taken.event["take_thread_control"] == {"previous_owner_app_id": OURS, "new_owner_app_id": INBOX}
    assert echo.channel == "standby"
    assert echo.event["message"] == {
        "mid": said["mid"],
        "is_echo": True,
        "app_id": int(INBOX),
        "text": "A person here",
    }


async def test_second_staff_reply_takes_nothing_again(box, ours) -> None:
    await box.say()
    await box.post(f"inbox/{MIA}/reply", {"text": "one"})
    await box.post(f"inbox/{MIA}/reply", {"text": "two"})
    await ours.count(4)
    assert [name for _, name in ours.names()] == ["message", "take_thread_control", "message", "message"]


async def test_move_to_main_takes_the_thread_and_move_to_done_passes_it_back(box, ours) -> None:
    await box.say()
    assert (await box.conversation())["folder"] == "done"
    moved = await box.post(f"inbox/{MIA}/move_to_main")
    assert moved["conversation"]["folder"] == "main"
    moved = await box.post(f"inbox/{MIA}/move_to_done")
    assert (moved["conversation"]["folder"], moved["conversation"]["owner"]) == ("done", OURS)
    events = await ours.count(3)
    assert events[1].event["take_thread_control"]["new_owner_app_id"] == INBOX
    assert events[2].event["pass_thread_control"] == {"previous_owner_app_id": INBOX, "new_owner_app_id": OURS}


async def test_older_move_to_main_asks_and_moves_only_when_the_app_passes(box, ours) -> None:
    await box.page(behaviour={"move_to_main": "request"})
    await box.say()
    moved = await box.post(f"inbox/{MIA}/move_to_main")
    assert moved["conversation"]["folder"] == "done"
    asked = (await ours.count(2))[1]
    assert asked.event["request_thread_control"] == {"requested_owner_app_id": INBOX}
    await box.control("pass", target_app_id=INBOX)
    assert (await box.conversation())["folder"] == "main"


async def test_silent_done_tells_nobody_and_the_next_message_is_on_messaging(box, ours) -> None:
    await box.page(behaviour={"done": "release_silently"})
    await box.say()
    await box.control("pass", target_app_id=INBOX)
    moved = await box.post(f"inbox/{MIA}/move_to_done")
    assert (moved["conversation"]["owner"], moved["conversation"]["folder"]) == (None, "done")
    await box.say("again")
    await ours.count(2)
    assert ours.names() == [("messaging", "message"), ("messaging", "message")]


async def test_gestures_that_the_folder_does_not_have_are_refused(box) -> None:
    await box.say()
    status, error = await box.refused("POST", f"inbox/{MIA}/move_to_done", {})
    assert (status, error["field"]) == (409, "psid")
    await box.post(f"inbox/{MIA}/move_to_main")
    assert (await box.refused("POST", f"inbox/{MIA}/move_to_main", {}))[0] == 409


async def test_main_only_page_has_everything_in_main_and_a_reply_moves_no_thread(box, ours) -> None:
    await box.page(inbox_is_receiver=False)
    await box.say()
    assert (await box.conversation())["folder"] == "main"
    said = await box.post(f"inbox/{MIA}/reply", {"text": "A person here"})
    assert said["conversation"]["owner"] == OURS
    echo = (await ours.count(2))[1]
    assert (echo.channel, echo.event["message"]["app_id"]) == ("messaging", int(INBOX))
    assert (await box.refused("POST", f"inbox/{MIA}/move_to_done", {}))[0] == 409
    status, answer = await box.control("pass", target_app_id=INBOX)
    assert (status, answer["error"]["error_subcode"]) == (400, 2018164)


async def test_inbox_that_is_no_receiver_any_more_loses_what_it_held(box) -> None:
    await box.say()
    await box.post(f"inbox/{MIA}/move_to_main")
    await box.page(inbox_is_receiver=False)
    assert (await box.conversation())["owner"] is None


async def test_conversation_goes_to_done_by_itself_after_24_hours_without_the_customer(box) -> None:
    await box.say()
    await box.post(f"inbox/{MIA}/move_to_main")
    await box.post("clock", {"advance_s": 86400})
    conversation = await box.conversation()
    assert (conversation["owner"], conversation["folder"]) == (None, "done")
