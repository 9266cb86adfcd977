"""The Conversations API: what a page can read of its conversations after the fact."""

import pytest

from facebook.errors import InvalidParameter
from facebook.fields import Field, parse

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"
EVERYTHING = (
    "id,updated_time,participants,is_owner,messages{id,created_time,from,to,message,attachments}"  # a watcher's fields
)


@pytest.fixture
async def quick(box):
    """The limit of the Conversations API is for its own test."""
    await box.page(limits={"conversations_per_s": 1000})
    return box


async def test_a_conversation_is_read_with_its_messages_newest_first(quick) -> None:
    said = await quick.say("first")
    _, sent = await quick.send("answer")
    _, found = await quick.graph(f"{PAGE}/conversations?platform=messenger&fields={EVERYTHING}")
    [conversation] = found["data"]
    assert conversation["id"].startswith("t_")
    assert conversation["is_owner"] is True
    mia = {"name": "Mia Łuk", "email": f"{MIA}@facebook.com", "id": MIA}
    page = {"name": "Test page", "email": f"{PAGE}@facebook.com", "id": PAGE}
    assert conversation["participants"] == {"data": [mia, page]}
    newest, oldest = conversation["messages"]["data"]
    assert (newest["id"], newest["message"], newest["from"], newest["to"]) == (
        sent["message_id"],
        "answer",
        page,
        {"data": [mia]},
    )
    assert (oldest["id"], oldest["message"], oldest["from"], oldest["to"]) == (
        said["mid"],
        "first",
        mia,
        {"data": [page]},
    )
    assert newest["created_time"].endswith("+0000")
    assert "attachments" not in newest
    assert conversation["updated_time"] == newest["created_time"]


async def test_only_the_last_twenty_messages_can_be_read(quick) -> None:
    mids = [(await quick.say(str(number)))["mid"] for number in range(22)]
    _, found = await quick.graph(f"me/conversations?fields=messages{{message}}&user_id={MIA}")
    shown = [message["message"] for message in found["data"][0]["messages"]["data"]]
    assert shown == [str(number) for number in range(21, 1, -1)]
    assert (await quick.graph(f"{mids[2]}?fields=message"))[1]["message"] == "2"
    assert (await quick.graph(f"{mids[1]}?fields=message"))[1]["error"]["code"] == 100


async def test_one_conversation_and_its_messages_by_id(quick) -> None:
    await quick.say("hi")
    name = (await quick.conversation())["id"]
    assert (await quick.graph(f"{name}?fields=id,is_owner"))[1] == {"id": name, "is_owner": True}
    _, messages = await quick.graph(f"{name}/messages?fields=message&limit=1")
    assert [one["message"] for one in messages["data"]] == ["hi"]
    assert (await quick.graph("t_1?fields=id"))[1]["error"]["code"] == 100


async def test_conversations_come_latest_first_in_pages_that_follow_a_cursor(quick) -> None:
    psids = [(await quick.post(f"pages/{PAGE}/customers", {"first_name": f"C{number}"}))["psid"] for number in range(5)]
    for psid in psids:
        await quick.say("hi", psid)
    seen, after = [], ""
    while True:
        query = f"me/conversations?fields=participants&limit=2{after}"
        _, found = await quick.graph(query)
        seen += [conversation["participants"]["data"][0]["id"] for conversation in found["data"]]
        if "next" not in found.get("paging", {}):
            break
        assert "access_token=token-of-ours" in found["paging"]["next"]
        after = f"&after={found['paging']['cursors']['after']}"
    assert seen == psids[::-1]


async def test_a_filter_by_person_shows_that_conversation_alone(quick) -> None:
    await quick.say("one")
    await quick.say("two", JONAS)
    _, found = await quick.graph(f"me/conversations?fields=snippet&user_id={JONAS}")
    assert [one["snippet"] for one in found["data"]] == ["two"]
    assert (await quick.graph("me/conversations?user_id=404"))[1] == {"data": []}
    assert (await quick.graph("me/conversations?platform=instagram"))[1] == {"data": []}


async def test_who_owns_is_told_only_where_the_page_routes(quick) -> None:
    await quick.say()
    await quick.control("pass", target_app_id=INBOX)
    assert (await quick.graph("me/conversations?fields=is_owner"))[1]["data"][0]["is_owner"] is False
    await quick.page(default_app=None)
    assert (await quick.graph("me/conversations?fields=is_owner"))[1]["error"]["code"] == 100


async def test_attachments_and_what_was_taken_back(quick) -> None:
    await quick.act("say", attachment={"url": "https://x/cat.png"})
    gone = await quick.say("secret")
    await quick.act("unsend", mid=gone["mid"])
    _, found = await quick.graph("me/conversations?fields=messages{message,attachments}")
    [picture] = found["data"][0]["messages"]["data"]
    [attachment] = picture["attachments"]["data"]
    assert attachment["image_data"]["url"] == "https://x/cat.png"


async def test_more_than_two_readings_a_second_are_too_many_and_only_those(box) -> None:
    await box.say()
    answers = [await box.graph("me/conversations") for _ in range(4)]
    assert [status for status, _ in answers[:2]] == [200, 200]
    assert answers[-1][1]["error"]["code"] == 80006
    assert (await box.send("still fine"))[0] == 200


@pytest.mark.parametrize("asked", ["messages{", "messages}", "a b", "a{b{c{d{e{f}}}}}", "{id}", "messages.limit(x)"])
async def test_fields_that_cannot_be_read_are_refused(asked) -> None:
    with pytest.raises(InvalidParameter):
        parse(asked)


def test_fields_are_read_with_their_braces_and_limits() -> None:
    wanted = parse("id, messages.limit(5){id,from{name}},updated_time")
    inner = (Field("id"), Field("from", None, (Field("name"),)))
    assert wanted == (Field("id"), Field("messages", 5, inner), Field("updated_time"))


async def test_unknown_fields_and_cursors_are_error_100(quick) -> None:
    await quick.say()
    for query in ("fields=shoe_size", "fields=messages{shoe_size}", "after=%21", "limit=0"):
        assert (await quick.graph(f"me/conversations?{query}"))[1]["error"]["code"] == 100
