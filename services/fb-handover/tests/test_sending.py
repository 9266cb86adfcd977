"""What leaves for Facebook, in which order, and what is told of it."""

import asyncio
import itertools
import time

import asyncpg
import pytest
from fb_commands import (
    APP,
    INBOX,
    PAGE,
    conversation,
    passes_thread,
    reads_profile,
    reads_thread,
    says,
    silence,
    takes_thread,
)
from fb_world import OTHER_PAGE, PSIDS, TOKEN, numbered, until

from runtime.records import Outgoing
from schemas.conversations import Echo
from schemas.messages import Button, OutMessage, QuickReply
from schemas.topics import CONVERSATIONS

MIA, JONAS = PSIDS[0], PSIDS[1]


async def test_a_message_reaches_the_customer_and_is_told_with_facebooks_id(world):
    world.start()
    await world.box.write(MIA)
    await world.command(says("Hello", name="a", psid=MIA, epoch=3))
    [sent] = await world.told("a:sent")
    [accepted] = await world.box.record("send", MIA)
    assert accepted["text"] == "Hello"
    assert accepted["messaging_type"] == "RESPONSE"
    assert (sent.mid, sent.epoch, sent.seq, sent.passed) == (accepted["mid"], 3, 7, False)
    assert sent.occurred_at is not None


async def test_every_kind_of_content_is_taken_by_facebook(world):
    world.start()
    await world.box.write(MIA)
    contents = [
        OutMessage(text="Text", quick_replies=(QuickReply(title="Yes", payload="y"),)),
        OutMessage(image_url="https://pictures.example/lamp.png"),
        OutMessage(
            text="Which?",
            buttons=(Button(title="Shop", url="https://shop.example/"), Button(title="Help", payload="help")),
        ),
        OutMessage(text="Picture and text", image_url="https://pictures.example/lamp.png"),
        OutMessage(text="Long. " * 330),
    ]
    await world.command(*[says(name=f"c{n}", psid=MIA, message=content) for n, content in enumerate(contents)])
    await world.told(*[f"c{n}:sent" for n in range(len(contents))])
    sent = await world.box.record("send", MIA)
    assert [entry["attachment_url"] is not None for entry in sent[:5]] == [False, True, False, True, False]
    assert sent[2]["template"] == "button"
    assert len(sent) == 6
    assert await world.box.record("refused") == []


async def test_typing_is_shown_before_a_message_that_asks_for_it(world):
    world.start()
    await world.box.write(MIA)
    await world.command(says(name="a", psid=MIA, message=OutMessage(text="Hm", typing=0.3)))
    await world.told("a:sent")
    assert [(entry["sender_action"], entry["text"]) for entry in await world.box.record("send", MIA)] == [
        ("typing_on", None),
        (None, "Hm"),
    ]


async def test_typing_for_one_customer_holds_up_no_other(world):
    world.start(sends_at_once=1)
    await world.box.write(MIA, JONAS)
    await world.command(
        says(name="slow", psid=MIA, message=OutMessage(text="Hm", typing=3.0)), says(name="fast", psid=JONAS)
    )
    await world.told("fast:sent")
    assert "slow:sent" not in world.told_ids()
    await world.told("slow:sent")


async def test_many_conversations_at_once_each_keep_their_order(world):
    psids, each = PSIDS[:30], 12
    world.start()
    await world.box.write(*psids)
    await world.box.faults(delay_answers_s=0.02)
    await world.command(*[says(f"Message {n}", name=f"{psid}-{n}", psid=psid) for n in range(each) for psid in psids])
    await world.told(*[f"{psid}-{n}:sent" for n in range(each) for psid in psids])
    for psid in psids:
        assert numbered(await world.box.texts(psid)) == list(range(each))
        assert [report.command for report in world.reports(psid)] == [f"{psid}-{n}" for n in range(each)]


async def test_a_conversation_has_one_request_at_a_time_and_others_do_not_wait_for_it(world):
    world.start()
    await world.box.write(MIA)
    await world.box.write(JONAS, page=OTHER_PAGE)
    await world.box.faults(page=PAGE, delay_answers_s=1.5)
    await world.command(says("1", name="m1", psid=MIA), says("2", name="m2", psid=MIA))
    await world.accepted(MIA, "1")
    there = says("3", name="j", psid=JONAS).model_copy(update={"conversation": f"messenger:{OTHER_PAGE}:{JONAS}"})
    await world.command(there)
    await world.told("j:sent")
    assert await world.box.texts(MIA) == ["1"]
    await world.told("m1:sent", "m2:sent")
    assert world.told_ids() == ["j:sent", "m1:sent", "m2:sent"]


async def test_a_silence_stops_what_waits_and_not_what_is_being_sent(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(delay_answers_s=1.0)
    await world.command(
        says("Under way", name="a", psid=MIA, epoch=1),
        says("Too late", name="b", psid=MIA, epoch=1),
        passes_thread(name="c", psid=MIA, epoch=1),
    )
    await world.accepted(MIA, "Under way")
    await world.command(silence(2, psid=MIA), says("A person", name="d", psid=MIA, epoch=2, person=True))
    sent, late, control, person = await world.told("a:sent", "b:suppressed", "c:suppressed", "d:sent")
    assert await world.box.texts(MIA) == ["Under way", "A person"]
    assert await world.box.record("thread_control", MIA) == [] or await world.box.owner(MIA) == APP
    assert (sent.seq, late.seq, control.seq, person.seq) == (7, 7, None, 7)
    assert len(world.reports(MIA)) == 4


async def test_a_message_silenced_while_facebook_puts_it_off_never_leaves(world):
    world.start(retry_first=30.0, retry_cap=30.0)
    await world.box.write(MIA)
    await world.box.faults(delay_answers_s=0, fail_5xx=1, only=["messages"])
    await world.command(says("Bot", name="a", psid=MIA, epoch=1))
    await until(lambda: _refusals(world, MIA, 1), "a first refusal")
    await world.in_state("a", "waiting")
    await world.command(silence(2, psid=MIA), says("A person", name="b", psid=MIA, epoch=2, person=True))
    await world.told("a:suppressed", "b:sent")
    assert await world.box.texts(MIA) == ["A person"]


async def test_a_refusal_for_now_is_tried_again_in_order_and_holds_up_nobody_else(world):
    world.start(retry_first=3.0, retry_cap=3.0)
    await world.box.write(MIA, JONAS)
    await world.box.faults(fail_5xx=1, only=["messages"])  # its message goes again after three seconds at the earliest
    await world.command(says("1", name="m1", psid=MIA), says("2", name="m2", psid=MIA))
    await until(lambda: _refusals(world, MIA, 1), "a first refusal")
    await world.command(says("3", name="j", psid=JONAS))
    await world.told("j:sent")
    assert await world.box.texts(MIA) == []
    await world.told("m1:sent", "m2:sent")
    assert await world.box.texts(MIA) == ["1", "2"]
    assert world.told_ids() == ["j:sent", "m1:sent", "m2:sent"]


async def test_a_rate_limit_pauses_the_page_and_what_waits_goes_out_in_order(world):
    world.start()
    await world.box.write(MIA, JONAS)
    await world.box.faults(rate_limit=2, regain_access_min=0, only=["messages"])
    await world.command(says("1", name="a", psid=MIA), says("2", name="b", psid=MIA), says("3", name="c", psid=JONAS))
    await world.told("a:sent", "b:sent", "c:sent")
    assert {entry["code"] for entry in await world.box.record("refused")} == {613}
    assert await world.box.texts(MIA) == ["1", "2"]


async def test_a_paused_page_is_asked_nothing_tells_so_once_and_holds_up_no_other(world):
    world.start()
    await world.box.write(MIA, JONAS)
    await world.box.write(JONAS, page=OTHER_PAGE)
    await world.box.rule("messenger_limit", MIA, minutes=7)
    await world.command(says("1", name="a", psid=MIA))
    await world.told_of_page(("sending", "failing", "rate_limited"))
    until_then = (world.pages[-1].until - world.pages[-1].occurred_at).total_seconds()
    assert 400.0 < until_then < 440.0
    asked = len(await world.box.record("refused")) + len(await world.box.record("send"))
    await world.command(
        says("2", name="b", psid=JONAS),
        reads_thread(name="q", psid=PSIDS[2]),
        reads_profile(name="p", psid=PSIDS[2]),
        takes_thread(name="t", psid=PSIDS[3]),
        says(name="typed", psid=PSIDS[4], message=OutMessage(text="Hm", typing=0.1)),
        says("3", name="elsewhere", psid=JONAS).model_copy(update={"conversation": f"messenger:{OTHER_PAGE}:{JONAS}"}),
    )
    owner, profile, _ = await world.told("q:owner", "p:profile", "elsewhere:sent")
    assert (owner.known, profile.profile.name) == (False, "")
    for waiting in ("a", "b", "t", "typed"):
        await until(lambda name=waiting: _put_off(world, name, "limit"), f"{waiting} rests")
    assert len(await world.box.record("refused")) + len(await world.box.record("send")) == asked + 1
    assert world.told_of_pages() == [("sending", "failing", "rate_limited")]
    assert world.told_of_pages(OTHER_PAGE) == []


async def test_two_processes_stay_below_the_pages_limit_without_a_refusal(world):
    await world.box.change_page(limits={"text_per_s": 40, "penalty_s": 60})
    psids, each = PSIDS[:40], 4
    await world.box.write(*psids)
    for _ in range(2):
        world.start(page_rate=30.0)
    began = time.monotonic()
    await world.command(*[says(f"Message {n}", name=f"{psid}-{n}", psid=psid) for n in range(each) for psid in psids])
    await world.told(*[f"{psid}-{n}:sent" for n in range(each) for psid in psids])
    took = time.monotonic() - began
    assert await world.box.record("refused") == []
    assert took > len(psids) * each / 40.0 - 1.0, "the limit was reached"
    for psid in psids:
        assert numbered(await world.box.texts(psid)) == list(range(each))


async def test_a_limit_of_the_app_pauses_all_its_pages(world):
    world.start()
    await world.box.write(MIA)
    await world.box.write(JONAS, page=OTHER_PAGE)
    await world.box.rule("app_limit", MIA, minutes=7)
    await world.command(says("1", name="a", psid=MIA))
    await world.told_of_page(("sending", "failing", "app_rate_limited"))
    await world.told_of_page(("sending", "failing", "app_rate_limited"), page=OTHER_PAGE)
    there = says("2", name="b", psid=JONAS).model_copy(update={"conversation": f"messenger:{OTHER_PAGE}:{JONAS}"})
    await world.command(there)
    await until(lambda: _put_off(world, "b", "limit for the app"), "the other page rests too")
    assert await world.box.texts(JONAS) == []


async def test_a_page_that_is_well_again_is_told_so_with_its_next_message(world):
    world.start()
    await world.box.write(MIA)
    await world.box.rule("page_limit", MIA, minutes=0)
    await world.command(says("1", name="a", psid=MIA))
    await world.told("a:sent")
    await world.told_of_page(("sending", "failing", "rate_limited"), ("sending", "ok", ""))


async def test_a_message_accepted_behind_a_servers_fault_is_known_by_its_echo(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(fail_after_accept=1, only=["messages"])
    await world.command(says("Once", name="a", psid=MIA), says("Next", name="b", psid=MIA))
    await world.told("a:sent", "b:sent")
    assert await world.box.texts(MIA) == ["Once", "Next"]


async def test_a_final_refusal_is_told_and_the_next_message_goes_on(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(error={"code": 10, "subcode": 2018278, "times": 1}, only=["messages"])
    await world.command(says("1", name="a", psid=MIA), says("2", name="b", psid=MIA))
    refused, _ = await world.told("a:refused", "b:sent")
    assert (refused.kind, refused.code, refused.subcode) == ("permanent", 10, 2018278)
    assert "24 hours" in refused.reason


async def test_a_dead_token_stops_the_page_until_it_has_another_and_then_all_goes_on_in_order(world):
    world.start()
    await world.box.write(MIA, JONAS)
    await world.box.faults(refuse_token=True)
    await world.command(says("1", name="a", psid=MIA), says("2", name="b", psid=MIA))
    await world.told_of_page(("token", "failing", "token_refused"))
    await until(lambda: _put_off(world, "a", "token"), "the first message waits")
    await world.command(says("3", name="c", psid=JONAS), says("4", name="d", psid=JONAS, person=True))
    await until(lambda: _put_off(world, "c", "token"), "so do others")
    assert {entry["code"] for entry in await world.box.record("refused")} == {190}
    assert len(await world.box.record("refused")) == 1, "nothing is tried with it any more"
    await world.box.faults()
    await world.connect(PAGE, OTHER_PAGE, version=2)
    await world.told("a:sent", "b:sent", "c:sent", "d:sent")
    assert (await world.box.texts(MIA), await world.box.texts(JONAS)) == (["1", "2"], ["3", "4"])
    await world.told_of_page(("token", "failing", "token_refused"), ("token", "ok", ""))
    [told, _] = world.pages
    assert TOKEN not in told.model_dump_json()
    assert told.steps
    assert TOKEN not in str(await world.database.fetch("SELECT * FROM fb_handover.page"))


async def test_settings_that_change_something_else_do_not_try_the_refused_token_again(world):
    await world.connect(PAGE, version=2)
    world.start()
    await world.box.write(MIA)
    await world.box.faults(refuse_token=True)
    await world.command(says("1", name="a", psid=MIA))
    await world.told_of_page(("token", "failing", "token_refused"))
    await world.connect_as_before(version=3)
    await world.command(says("2", name="b", psid=JONAS))
    await until(lambda: _put_off(world, "b", "token"), "it waits")
    assert len(await world.box.record("refused")) == 1


@pytest.mark.parametrize("refusal", ["messenger_limit", "page_restricted", "token_dead", "lead_flow", "temporary_400"])
async def test_a_silence_stops_what_waits_whatever_it_waits_for(world, refusal):
    """A limit, a restriction, a token, another's form, a fault: a person's message stays in its place all the same."""
    world.start(retry_first=60.0, retry_cap=60.0)
    await world.box.write(MIA)
    await world.box.rule(refusal, MIA, times=None)
    await world.command(says("Bot", name="a", psid=MIA, epoch=1), says("More", name="b", psid=MIA, epoch=1))
    await until(lambda: _put_off(world, "a"), "the first message waits")
    await world.command(silence(2, psid=MIA), says("A person", name="c", psid=MIA, epoch=2, person=True))
    await world.told("a:suppressed", "b:suppressed")
    await world.in_state("c", "waiting")
    assert await world.box.texts(MIA) == []


async def test_a_silence_stops_what_waits_while_facebook_is_away(world):
    world.start(graph_url="http://127.0.0.1:9/v26.0", retry_first=60.0, retry_cap=60.0)
    await world.command(says("Bot", name="a", psid=MIA, epoch=1), says("More", name="b", psid=MIA, epoch=1))
    await until(lambda: _put_off(world, "a"), "the first message waits")
    await world.command(silence(2, psid=MIA))
    await world.told("a:suppressed", "b:suppressed")


async def test_a_message_whose_answer_and_echo_are_lost_is_found_in_facebooks_list(world):
    world.start(echo_wait=0.5)
    world.hear_echoes = False
    await world.box.write(MIA)
    await world.box.faults(lose_answers=2, only=["messages"])
    await world.command(
        says("Bot", name="a", psid=MIA),
        says("Person", name="b", psid=MIA, person=True),
        says("Next", name="c", psid=MIA),
    )
    bot, person, _ = await world.told("a:sent", "b:sent", "c:sent")
    assert await world.box.texts(MIA) == ["Bot", "Person", "Next"]
    assert [bot.mid, person.mid] == [entry["mid"] for entry in await world.box.record("send", MIA)][:2]


async def test_the_same_text_that_another_command_said_is_not_taken_for_a_lost_one(world):
    world.start(echo_wait=0.5)
    world.hear_echoes = False
    await world.box.write(MIA)
    await world.command(says("Yes", name="a", psid=MIA, person=True))
    await world.told("a:sent")
    await world.box.faults(fail_5xx=0, delay_answers_s=0, only=["messages"])
    await world.command(says("Yes", name="b", psid=MIA, person=True))
    await world.told("b:sent")
    await world.database.execute(
        "UPDATE fb_handover.outgoing SET state = 'sending', mid = NULL, sending_at = clock_timestamp()"
        " - interval '10 seconds' WHERE command = 'b'"
    )
    await world.database.execute(
        "INSERT INTO fb_handover.lane (conversation, partition, due_at, owner, fence)"
        " SELECT conversation, partition, clock_timestamp(), 'gone', 1 FROM fb_handover.outgoing WHERE command = 'b'"
    )
    await world.in_state("b", "done")
    mids = [entry["mid"] for entry in await world.box.record("send", MIA)]
    assert await world.database.fetchval("SELECT mid FROM fb_handover.outgoing WHERE command = 'b'") == mids[1]


async def test_a_lost_answer_is_settled_by_the_echo(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(lose_answers=1, only=["messages"])
    await world.command(says("Once", name="a", psid=MIA), says("Next", name="b", psid=MIA))
    sent, _ = await world.told("a:sent", "b:sent")
    assert await world.box.texts(MIA) == ["Once", "Next"]
    assert sent.mid == (await world.box.record("send", MIA))[0]["mid"]


async def test_an_answer_that_comes_too_late_is_settled_by_the_echo(world):
    world.start(graph_timeout=0.5)
    await world.box.write(MIA)
    await world.box.faults(delay_answers_s=1.5, only=["messages"])
    await world.command(says("Once", name="a", psid=MIA))
    await world.told("a:sent")
    assert await world.box.texts(MIA) == ["Once"]


async def test_an_echo_before_the_answer_is_told_once(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(echo_first=True)
    await world.command(says("1", name="a", psid=MIA), says("2", name="b", psid=MIA))
    await world.told("a:sent", "b:sent")
    assert world.told_ids() == ["a:sent", "b:sent"]
    assert await world.box.texts(MIA) == ["1", "2"]


async def test_without_an_echo_a_bots_message_is_sent_once_more(world):
    world.start(echo_wait=0.5)
    world.hear_echoes = False
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)
    await world.box.faults(lose_answers=1, only=["messages"])
    await world.command(says("Bot", name="a", psid=MIA))
    await world.told("a:sent")
    assert await world.box.texts(MIA) == ["Bot", "Bot"]


async def test_while_an_echo_is_in_the_log_but_not_yet_heard_nothing_is_sent_again(world):
    """As when the consumer of echoes is behind, or its partitions wait for a dead process's session to end."""
    world.start(echo_wait=0.5)
    await world.box.write(MIA)
    await world.command(says("Before", name="warm", psid=MIA))
    await world.told("warm:sent")
    async with world.database.transaction():
        await world.database.execute(
            "SELECT FROM fb_handover.consumer_offset WHERE group_name = 'fb-handover-echoes' FOR UPDATE"
        )
        await world.box.faults(lose_answers=1, only=["messages"])
        await world.command(says("Once", name="a", psid=MIA))
        await until(lambda: _put_off(world, "a", "waits until all echoes are heard"), "the echo's time is over")
    await world.told("a:sent")
    assert await world.box.texts(MIA) == ["Before", "Once"]


async def test_in_a_busy_log_the_wait_for_an_echo_ends(world):
    """Something is always unheard there: what counts is what was in the log when the echo's time was over."""
    world.start(echo_wait=0.5)
    world.hear_echoes = False
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)

    async def be_busy() -> None:
        for number in itertools.count():
            other = Echo(id=f"busy:{number}", conversation=conversation(MIA), mid=f"m_{number}", text="Others'")
            await world.publisher.publish([Outgoing(CONVERSATIONS, other)])

    busy = asyncio.create_task(be_busy())
    try:
        await world.box.faults(lose_answers=1, only=["messages"])
        await world.command(says("Bot", name="a", psid=MIA))
        await world.told("a:sent")
    finally:
        busy.cancel()
    assert await world.box.texts(MIA) == ["Bot", "Bot"]


async def test_without_an_echo_a_persons_message_is_uncertain_until_a_late_echo(world):
    world.start(echo_wait=0.5)
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)
    await world.box.faults(lose_answers=1, hold_webhooks=True)
    await world.command(says("Person", name="a", psid=MIA, person=True), says("Next", name="b", psid=MIA, person=True))
    refused, _ = await world.told("a:refused", "b:sent")
    assert refused.kind == "uncertain"
    assert await world.box.texts(MIA) == ["Person", "Next"]
    await world.box.faults()
    await world.told("a:sent")
    assert await world.box.texts(MIA) == ["Person", "Next"]


async def test_an_uncertain_message_that_never_left_is_sent_once_by_a_retry(world):
    world.start(echo_wait=0.5, retry_first=60.0, retry_cap=60.0)
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)
    await world.box.rule("temporary_400", MIA)
    await world.command(says("Person", name="a", psid=MIA, person=True))
    await until(lambda: _put_off(world, "a"), "it waits")
    await world.database.execute(  # as a process leaves it that dies between the ledger and the request
        "UPDATE fb_handover.outgoing SET state = 'sending', sending_at = clock_timestamp() - interval '10 seconds'"
    )
    await world.database.execute("UPDATE fb_handover.lane SET due_at = clock_timestamp()")
    [refused] = await world.told("a:refused")
    assert refused.kind == "uncertain"
    await world.command(says("Person", name="r", psid=MIA, person=True, again="a"))
    [sent] = await world.told("r:sent")
    assert [entry["mid"] for entry in await world.box.record("send", MIA)] == [sent.mid]


async def test_an_uncertain_message_whose_echo_comes_late_is_not_sent_by_a_retry_nor_by_a_retry_of_that(world):
    world.start(echo_wait=0.5)
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)
    await world.box.faults(lose_answers=1, hold_webhooks=True)
    await world.command(says("Person", name="a", psid=MIA, person=True))
    await world.told("a:refused")
    await world.box.faults()
    await world.told("a:sent")
    await world.command(
        says("Person", name="r", psid=MIA, person=True, again="a"),
        says("Person", name="s", psid=MIA, person=True, again="r"),
        says("Next", name="n", psid=MIA, person=True),
    )
    first, second, _ = await world.told("r:refused", "s:refused", "n:sent")
    assert (first.kind, first.reason) == ("permanent", "It has arrived after all; it is not sent twice.")
    assert (second.kind, second.reason) == (first.kind, first.reason)
    assert await world.box.texts(MIA) == ["Person", "Next"]


async def test_a_retry_says_only_the_parts_that_did_not_arrive(world):
    world.start()
    await world.box.write(MIA)
    both = OutMessage(text="Lamp", image_url="https://pictures.example/lamp.png")
    await world.box.faults(delay_answers_s=1.0, only=["messages"])
    await world.command(says(name="a", psid=MIA, message=both, person=True))
    await until(lambda: _accepted(world, MIA, 1), "the picture is there")
    await world.box.faults(error={"code": 10, "subcode": 2018278, "times": 1}, only=["messages"])
    await world.told("a:refused")
    await world.command(says(name="r", psid=MIA, message=both, person=True, again="a"))
    await world.told("r:sent")
    assert await world.box.texts(MIA) == [None, "Lamp"]


async def test_a_connection_that_is_refused_is_no_unknown_outcome(world):
    world.start(graph_url="http://127.0.0.1:9/v26.0", echo_wait=600.0)
    await world.box.write(MIA)
    await world.command(says("1", name="a", psid=MIA, person=True))
    await world.in_state("a", "waiting")
    await until(lambda: _attempts(world, "a", 2), "a second attempt")


# --- thread control


async def test_a_pass_rides_on_the_message(world):
    world.start()
    await world.box.write(MIA)
    await world.command(says("Bye", name="a", psid=MIA, then_pass=True))
    [sent] = await world.told("a:sent")
    assert sent.passed
    assert await world.box.owner(MIA) == INBOX
    [accepted] = await world.box.record("send", MIA)
    assert accepted["thread_control"] == {"control_type": "pass", "app_id": INBOX}


async def test_a_goodbye_whose_answer_was_lost_is_known_by_its_echo_though_the_thread_is_gone(world):
    world.start()
    await world.box.change_page(behaviour={"echo_channel": "after_ride"})
    await world.box.write(MIA)
    await world.box.faults(lose_answers=1, only=["messages"])
    await world.command(says("Bye", name="a", psid=MIA, then_pass=True))
    [sent] = await world.told("a:sent")
    assert sent.passed
    assert await world.box.texts(MIA) == ["Bye"]


async def test_a_goodbye_refused_at_its_second_attempt_has_arrived_when_its_late_echo_says_so(world):
    world.start(echo_wait=0.5)
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)
    await world.box.faults(lose_answers=1, hold_webhooks=True, only=["messages"])
    await world.command(says("Bye", name="a", psid=MIA, then_pass=True))
    [refused] = await world.told("a:refused")
    assert refused.kind == "uncertain"
    await world.box.faults()
    [sent] = await world.told("a:sent")
    assert sent.passed
    assert await world.box.texts(MIA) == ["Bye"]


async def test_where_a_pass_cannot_ride_it_follows_the_message(world):
    world.start()
    await world.box.change_page(default_app=None)
    await world.box.write(MIA)
    await world.command(says("Bye", name="a", psid=MIA, then_pass=True))
    sent, moved = await world.told("a:sent", "a:moved")
    assert not sent.passed
    assert moved.owner == INBOX
    assert await world.box.owner(MIA) == INBOX
    assert await world.box.texts(MIA) == ["Bye"]


async def test_where_the_page_inbox_is_no_receiver_the_message_arrives_and_the_pass_is_refused(world):
    world.start()
    await world.box.change_page(inbox_is_receiver=False)
    await world.box.write(MIA)
    await world.command(says("Bye", name="a", psid=MIA, then_pass=True), says("More", name="b", psid=MIA))
    sent, refused, _ = await world.told("a:sent", "a:thread_refused", "b:sent")
    assert not sent.passed
    assert (refused.action, refused.code, refused.subcode) == ("pass", 100, 2018164)
    assert await world.box.texts(MIA) == ["Bye", "More"]


async def test_pass_and_take_keep_their_place_among_messages(world):
    world.start()
    await world.box.write(MIA)
    await world.command(
        says("Bye", name="a", psid=MIA),
        passes_thread(name="b", psid=MIA),
        takes_thread(name="c", psid=MIA),
        says("Back", name="d", psid=MIA),
    )
    _, passed, taken, _ = await world.told("a:sent", "b:moved", "c:moved", "d:sent")
    assert (passed.owner, taken.owner) == (INBOX, APP)
    assert world.told_ids() == ["a:sent", "b:moved", "c:moved", "d:sent"]


async def test_taking_what_is_ours_already_is_no_refusal(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(error={"code": 100, "times": 1}, only=["take_thread_control"])
    await world.command(takes_thread(name="a", psid=MIA))
    [moved] = await world.told("a:moved")
    assert moved.owner == APP


async def test_a_take_that_is_not_allowed_is_told(world):
    world.start()
    await world.box.change_page(takers=[INBOX])
    await world.box.write(MIA)
    await world.box.move_to_main(MIA)
    await world.command(takes_thread(name="a", psid=MIA))
    [refused] = await world.told("a:thread_refused")
    assert (refused.action, refused.code) == ("take", 200)


async def test_a_persons_message_refused_to_a_non_owner_takes_the_thread_and_goes_again(world):
    world.start()
    await world.box.write(MIA)
    await world.box.move_to_main(MIA)
    await world.command(
        says("Person", name="a", psid=MIA, person=True, then_pass=True),
        says("Waits behind", name="b", psid=MIA, person=True),
    )
    taken, sent, _ = await world.told("a:taken", "a:sent", "b:sent")
    assert taken.owner == APP
    assert sent.passed
    assert await world.box.texts(MIA) == ["Person", "Waits behind"]
    assert [each for each in world.told_ids() if each.startswith("a:")] == ["a:taken", "a:sent"]


async def test_a_bots_message_refused_to_a_non_owner_is_told_and_takes_nothing(world):
    world.start()
    await world.box.write(MIA)
    await world.box.move_to_main(MIA)
    await world.command(says("Bot", name="a", psid=MIA))
    [refused] = await world.told("a:refused")
    assert (refused.kind, refused.code, refused.subcode) == ("not_owner", 10, 2018300)
    assert await world.box.owner(MIA) == INBOX


async def test_a_persons_message_that_cannot_take_the_thread_back_is_not_delivered(world):
    world.start()
    await world.box.change_page(takers=[INBOX])
    await world.box.write(MIA)
    await world.box.move_to_main(MIA)
    await world.command(says("Person", name="a", psid=MIA, person=True))
    [refused] = await world.told("a:refused")
    assert refused.kind == "not_owner"
    assert await world.box.texts(MIA) == []


# --- questions


async def test_the_threads_owner_is_read(world):
    world.start()
    await world.box.write(MIA)
    await world.box.move_to_main(MIA)
    await world.command(reads_thread(name="a", psid=MIA))
    [read] = await world.told("a:owner")
    assert (read.known, read.owner) == (True, INBOX)


async def test_an_owner_that_facebook_does_not_tell_is_not_known(world):
    world.start()
    await world.box.write(MIA)
    await world.box.faults(fail_5xx=1, only=["thread_owner"])
    await world.command(reads_thread(name="a", psid=MIA))
    [read] = await world.told("a:owner")
    assert (read.known, read.owner) == (False, None)


async def test_a_profile_is_read(world):
    world.start()
    await world.box.write(MIA)
    await world.command(reads_profile(name="a", psid=MIA))
    [read] = await world.told("a:profile")
    assert read.profile.name == "Mia Winter"


async def test_a_profile_that_facebook_does_not_tell_is_empty(world):
    world.start()
    await world.command(reads_profile(name="a", psid="999999"))
    [read] = await world.told("a:profile")
    assert read.profile.name == ""


# --- pages


async def test_commands_of_an_unknown_page_wait_until_it_is_connected(world):
    await world.connect(OTHER_PAGE, version=2)
    world.start()
    await world.box.write(MIA)
    await world.command(says("1", name="a", psid=MIA), says("2", name="b", psid=MIA))
    await until(lambda: _put_off(world, "a"), "the first command waits for its page")
    assert await world.box.texts(MIA) == []
    await world.connect(PAGE, OTHER_PAGE, version=3)
    await world.told("a:sent", "b:sent")
    assert await world.box.texts(MIA) == ["1", "2"]


# --- the same command twice


async def test_a_command_that_comes_twice_is_sent_once(world):
    world.start()
    await world.box.write(MIA)
    await world.command(says("1", name="a", psid=MIA))
    await world.told("a:sent")
    await world.command(says("1", name="a", psid=MIA), says("2", name="b", psid=MIA))
    await world.told("b:sent")
    assert await world.box.texts(MIA) == ["1", "2"]
    assert world.told_ids() == ["a:sent", "b:sent"]


async def _refusals(world, psid, number) -> bool:
    return len(await world.box.record("refused", psid)) >= number


async def _accepted(world, psid, number) -> bool:
    return len(await world.box.texts(psid)) == number


async def _attempts(world, command, number) -> bool:
    attempts = await world.database.fetchval("SELECT attempts FROM fb_handover.outgoing WHERE command = $1", command)
    return attempts >= number


async def _put_off(world, command, reason="") -> bool:
    stored = "SELECT reason FROM fb_handover.outgoing WHERE command = $1"
    try:
        said = await world.database.fetchval(stored, command)
    except asyncpg.UndefinedTableError:  # the service has not made its tables yet
        return False
    return bool(said) and reason in said
