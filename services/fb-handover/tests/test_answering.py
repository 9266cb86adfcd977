"""What an operator's answer looks like to the customer, at Facebook in a box: how late it may come, and under which name."""

from datetime import UTC, datetime, timedelta

import pytest
from fb_commands import PAGE, says
from fb_world import PSIDS, SECRET, TOKEN
from pydantic import SecretStr

from graphapi.request import Credentials
from runtime.records import Outgoing
from schemas.messages import Button, Card, Media, OutMessage, Person, QuickReply
from schemas.topics import BOTS
from schemas.window import CLOSED, CLOSED_FOR_ALL, NO_HUMAN_AGENT

MIA, JONAS = PSIDS[0], PSIDS[1]
DAY = timedelta(hours=24)
CREDENTIALS = Credentials.of(SecretStr(TOKEN), SecretStr(SECRET))


async def passes(world, time):
    async with world.box.session.post(
        world.box.server.make_url("/box/clock"), json={"advance_s": time.total_seconds()}
    ) as answer:
        assert answer.status == 200


async def personas(world):
    """Name by id, as Facebook has them."""
    async with world.box.session.get(
        f"{world.box.graph_url}/{PAGE}/personas",
        params={"appsecret_proof": CREDENTIALS.proof},
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as answer:
        return {each["id"]: each["name"] for each in (await answer.json())["data"]}


async def deleted(world, persona):
    async with world.box.session.delete(
        f"{world.box.graph_url}/{persona}",
        params={"appsecret_proof": CREDENTIALS.proof},
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as answer:
        assert answer.status == 200, await answer.text()


async def configured(world, **channel):
    """The page with other settings, before the service starts."""
    change = {"messenger": tuple(each.model_copy(update=channel) for each in world.bot.messenger), "version": 2}
    await world.publisher.publish([Outgoing(BOTS, world.bot.model_copy(update=change | {"id": "bot:lamps:2"}))])
    world.start()


def acted(ago=timedelta()):
    return datetime.now(UTC) - ago


def answers(name, text="Hello", *, who="Ola Nordmann", **more):
    command = says(text, name=name, psid=MIA, person=True, **more)
    return command.model_copy(update={"operator": Person(id="o1", name=who)})


async def test_every_kind_of_content_arrives_whatever_is_in_it(world):
    world.start()
    await world.box.write(MIA)
    face = "\U0001f600"
    contents = [
        *(
            OutMessage(media=Media(kind=kind, url="https://x.example/a"))
            for kind in ("image", "audio", "video", "file")
        ),
        OutMessage(
            text="Look:",
            cards=tuple(
                Card(
                    title=f"{n}" + face * 60,
                    subtitle="Warm",
                    url="https://x.example/",
                    image_url="https://x.example/a.png",
                    buttons=(Button(title="Call", phone="+4930123456"), Button(title=face * 20, payload="buy")),
                )
                for n in range(10)
            ),
            quick_replies=(QuickReply(title="More", payload="more"),),
        ),
        OutMessage(
            text="Reach you?",
            quick_replies=(
                QuickReply(title="E-mail", payload="x", kind="email"),
                QuickReply(title="Phone", payload="x", kind="phone"),
            ),
        ),
        OutMessage(text="Which? " + face * 900, buttons=(Button(title="Call", phone="+4930123456"),)),
    ]
    await world.command(*[says(name=f"c{n}", psid=MIA, message=content) for n, content in enumerate(contents)])
    await world.told(*[f"c{n}:sent" for n in range(len(contents))])
    sent = await world.box.record("send", MIA)
    assert [entry["template"] for entry in sent] == [None] * 5 + ["generic", None, None, "button"]
    assert [choice["title"] for choice in sent[6]["quick_replies"]] == ["user_email", "user_phone_number"]
    assert await world.box.record("refused") == []


async def test_after_a_day_an_operator_still_answers_and_a_bot_does_not(world):
    world.start()
    await world.box.write(MIA, JONAS)
    await passes(world, DAY + timedelta(hours=1))
    late = acted(DAY + timedelta(hours=1))
    await world.command(says("Out of date.", name="bot", psid=JONAS, acted_at=late), answers("ola", acted_at=late))
    suppressed, _ = await world.told("bot:suppressed", "ola:sent")
    assert suppressed.reason == CLOSED
    [sent] = await world.box.record("send")
    assert (sent["psid"], sent["messaging_type"], sent["tag"]) == (MIA, "MESSAGE_TAG", "HUMAN_AGENT")
    assert await world.box.record("refused") == []


async def test_after_a_week_nobody_answers_and_it_is_told_what_to_wait_for(world):
    world.start()
    await world.command(answers("ola", acted_at=acted(7 * DAY)))
    [refused] = await world.told("ola:refused")
    assert (refused.reason, refused.next_step) == (CLOSED_FOR_ALL, "wait_for_customer")
    assert await world.box.record("refused") == []


async def test_a_page_without_the_tag_asks_facebook_for_nothing_after_a_day(world):
    await configured(world, human_agent=False)
    await world.command(answers("ola", acted_at=acted(DAY)))
    [refused] = await world.told("ola:refused")
    assert (refused.reason, refused.next_step) == (NO_HUMAN_AGENT, "human_agent")
    assert await world.box.record("refused") == []


async def test_where_facebook_has_not_approved_the_tag_the_next_step_says_so(world):
    world.start()
    await world.box.write(MIA)
    await world.box.change_page(behaviour={"human_agent": False})
    await passes(world, DAY)
    await world.command(answers("ola", acted_at=acted(DAY)))
    [refused] = await world.told("ola:refused")
    assert (refused.kind, refused.code, refused.next_step) == ("permanent", 10, "get_human_agent")


async def test_the_customer_sees_the_page_alone_unless_it_is_set_otherwise(world):
    world.start()
    await world.box.write(MIA)
    await world.command(answers("ola"))
    await world.told("ola:sent")
    [sent] = await world.box.record("send", MIA)
    assert sent["persona_id"] is None
    assert await personas(world) == {}


@pytest.mark.parametrize(("setting", "name"), [("first_name", "Ola"), ("full", "Ola Nordmann")])
async def test_one_persona_is_made_for_a_name_and_used_for_all_that_its_operator_says(world, setting, name):
    await configured(world, operator_name=setting)
    await world.box.write(MIA)
    await world.command(answers("a"), says("I am the bot.", name="b", psid=MIA), answers("c"))
    await world.told("a:sent", "b:sent", "c:sent")
    [(persona, made)] = (await personas(world)).items()
    assert made == name
    sent = await world.box.record("send", MIA)
    assert [entry["persona_id"] for entry in sent] == [persona, None, persona]


async def test_a_renamed_operator_speaks_under_the_new_name_and_another_process_knows_it(world):
    await configured(world, operator_name="full")
    await world.box.write(MIA)
    await world.command(answers("a"), answers("b", who="Ola Hansen"))
    await world.told("a:sent", "b:sent")
    await world.stop_all()
    world.start()
    await world.command(answers("c", who="Ola Hansen"))
    await world.told("c:sent")
    assert sorted((await personas(world)).values()) == ["Ola Hansen", "Ola Nordmann"]
    sent = await world.box.record("send", MIA)
    assert [(await personas(world))[entry["persona_id"]] for entry in sent] == ["Ola Nordmann"] + ["Ola Hansen"] * 2


async def test_a_persona_that_is_gone_at_facebook_is_made_anew_and_the_message_arrives_once(world):
    await configured(world, operator_name="full")
    await world.box.write(MIA)
    await world.command(answers("a", "One"))
    await world.told("a:sent")
    [gone] = await personas(world)
    await deleted(world, gone)
    await world.command(answers("b", "Two"))
    await world.told("b:sent")
    [again] = await personas(world)
    assert again != gone
    assert [(entry["text"], entry["persona_id"]) for entry in await world.box.record("send", MIA)] == [
        ("One", gone),
        ("Two", again),
    ]


async def test_a_refusal_of_personas_never_stops_the_message(world):
    await configured(world, operator_name="full")
    await world.box.write(MIA)
    await world.box.faults(PAGE, only=["personas"], error={"code": 200, "message": "No personas here.", "times": 100})
    await world.command(answers("a"), answers("b"))
    await world.told("a:sent", "b:sent")
    assert [entry["persona_id"] for entry in await world.box.record("send", MIA)] == [None, None]
    assert len(await world.box.record("refused")) == 1  # it is not asked again for each message


async def test_what_is_refused_for_another_reason_is_told_with_that_reason(world):
    await configured(world, operator_name="full")
    await world.box.write(MIA)
    await world.box.faults(
        PAGE, only=["messages"], error={"code": 100, "subcode": 2018109, "message": "Too large.", "times": 100}
    )
    await world.command(answers("a", message=OutMessage(media=Media(kind="video", url="https://x.example/a.mp4"))))
    [refused] = await world.told("a:refused")
    assert refused.next_step == "smaller_file"
