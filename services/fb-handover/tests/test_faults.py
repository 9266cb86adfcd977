"""Processes that die, stand still or are told to stop while Facebook is being asked: nobody gets a message twice."""

import asyncio
import signal

import pytest
from fb_commands import conversation, says, silence
from fb_world import DEADLINE, PSIDS, a_world, numbered, until

from fb_handover.handlers import Commands

MIA, JONAS = PSIDS[0], PSIDS[1]


async def test_a_process_killed_while_facebook_answers_does_not_send_again(world):
    await world.box.write(MIA, JONAS)
    await world.box.faults(delay_answers_s=1.5, only=["messages"])
    async with world.process() as first:
        await world.command(says("Once", name="a", psid=MIA, person=True), says("Next", name="b", psid=MIA))
        await world.accepted(MIA, "Once")
        first.send(signal.SIGKILL)
        await first.ended()
    assert await world.state_of("a") == "sending"
    await world.box.faults()
    async with world.process():
        sent, _ = await world.told("a:sent", "b:sent")
    assert await world.box.texts(MIA) == ["Once", "Next"]
    assert sent.mid == (await world.box.record("send", MIA))[0]["mid"]


async def test_a_process_killed_before_facebook_was_asked_has_a_bots_message_sent_by_the_next(world):
    """The ledger says that it may have been sent; no echo tells so, and Facebook's list of the conversation cannot be read."""
    world.hear_echoes = False
    await world.box.write(MIA)
    await world.box.rule("permission", calls=["conversations"], times=None)
    async with world.process() as first:
        await world.command(says("One", name="a", psid=MIA))
        await world.told("a:sent")
        first.send(signal.SIGKILL)
        await first.ended()
    await world.command(says("Two", name="b", psid=MIA))
    await world.database.execute(
        "UPDATE fb_handover.outgoing SET state = 'sending', sending_at = clock_timestamp() WHERE command = 'a'"
    )
    await world.database.execute(
        "INSERT INTO fb_handover.lane (conversation, partition, due_at, owner, fence)"
        " SELECT conversation, partition, clock_timestamp(), 'gone', 1 FROM fb_handover.outgoing"
    )
    await world.database.execute("UPDATE fb_handover.outgoing SET mid = NULL")
    async with world.process():
        await world.told("b:sent")
    assert await world.box.texts(MIA) == ["One", "One", "Two"]


async def test_a_process_told_to_stop_finishes_what_is_being_sent_and_sends_no_more(world):
    await world.box.write(MIA)
    await world.box.faults(delay_answers_s=1.5, only=["messages"])
    async with world.process() as first:
        await world.command(says("Under way", name="a", psid=MIA), says("Next", name="b", psid=MIA))
        await world.accepted(MIA, "Under way")
        first.send(signal.SIGTERM)
        assert await first.ended() == 0
    assert (await world.state_of("a"), await world.state_of("b")) == ("done", "waiting")
    assert await world.box.texts(MIA) == ["Under way"]
    await world.box.faults()
    async with world.process():
        await world.told("a:sent", "b:sent")
    assert await world.box.texts(MIA) == ["Under way", "Next"]


async def test_a_message_that_is_stored_while_the_process_stops_is_given_back_and_goes_out_with_the_next(
    world, monkeypatch
):
    """Its conversation was claimed in the statement that stored it; a claim that is left would hold it up until it runs out."""
    await world.box.write(MIA)
    running = world.start()
    decided = Commands.decide

    async def stop_before_the_commit(self, pool, partition, records):
        batch = await decided(self, pool, partition, records)
        running.cancel()
        await asyncio.sleep(0.2)  # the stop is under way, and would be over but for this batch
        return batch

    monkeypatch.setattr(Commands, "decide", stop_before_the_commit)
    await world.command(says("Hello", name="a", psid=MIA))
    await world.stopped(running)
    assert await world.state_of("a") == "waiting"
    assert await world.database.fetchval("SELECT due_at <= clock_timestamp() FROM fb_handover.lane")
    monkeypatch.setattr(Commands, "decide", decided)
    world.start()
    await world.told("a:sent")
    assert await world.box.texts(MIA) == ["Hello"]


async def test_a_process_that_stood_still_and_comes_back_sends_nothing_that_another_has_sent(world):
    # what the frozen process had sent is settled by its echo: 4 s, as elsewhere here, are less than one takes on a busy machine
    world.settings = world.settings.model_copy(update={"echo_wait": 30.0})
    await world.box.write(*PSIDS[:6])
    await world.box.faults(delay_answers_s=0.3, only=["messages"])
    commands = [says(f"Message {n}", name=f"{psid}-{n}", psid=psid) for n in range(6) for psid in PSIDS[:6]]
    async with world.process() as frozen:
        await world.command(*commands)
        await world.told(f"{MIA}-0:sent")
        frozen.send(signal.SIGSTOP)
        async with world.process():
            for psid in PSIDS[:6]:
                await world.accepted(psid, *[f"Message {n}" for n in range(6)])
            frozen.send(signal.SIGCONT)
            await world.told(*[f"{command.id}:sent" for command in commands])
            await world.command(*[says("Message 6", name=f"{psid}-6", psid=psid) for psid in PSIDS[:6]])
            await world.told(*[f"{psid}-6:sent" for psid in PSIDS[:6]])
            for psid in PSIDS[:6]:
                assert numbered(await world.box.texts(psid)) == list(range(7))


async def test_two_processes_share_the_work_and_one_may_die(world):
    psids, each = PSIDS[:20], 8
    await world.box.write(*psids)
    await world.box.faults(delay_answers_s=0.1, only=["messages"])
    commands = [says(f"Message {n}", name=f"{psid}-{n}", psid=psid) for n in range(each) for psid in psids]
    async with world.process(), world.process() as dies:
        await world.command(*commands[: len(commands) // 2])
        await world.told(f"{psids[0]}-0:sent")
        dies.send(signal.SIGKILL)
        await world.command(*commands[len(commands) // 2 :])
        await world.told(*[f"{command.id}:sent" for command in commands])
    for psid in psids:
        assert numbered(await world.box.texts(psid)) == list(range(each))


@pytest.fixture
async def durable_world(empty_kafka, durable_postgres, tmp_path):
    async with a_world(empty_kafka, await durable_postgres.create_database("durable"), tmp_path) as made:
        yield made


async def test_a_database_that_goes_away_while_facebook_answers_loses_no_answer(durable_world, durable_postgres):
    world, postgres = durable_world, durable_postgres
    world.start()
    await world.box.write(MIA)
    await world.command(says("Before", name="warm", psid=MIA))
    await world.told("warm:sent")
    await world.box.faults(delay_answers_s=1.0, only=["messages"])
    await world.command(says("Once", name="a", psid=MIA), says("Next", name="b", psid=MIA))
    await world.accepted(MIA, "Before", "Once")
    await postgres.kill()
    await asyncio.sleep(1.5)  # Facebook's answer comes while the database is away
    await postgres.start()
    await world.told("a:sent", "b:sent")
    assert await world.box.texts(MIA) == ["Before", "Once", "Next"]


async def test_a_broker_that_goes_away_delays_reports_and_repeats_nothing(world, kafka):
    world.start()
    await world.box.write(MIA)
    await world.command(says("1", name="a", psid=MIA))
    await world.told("a:sent")
    await world.box.faults(delay_answers_s=1.0, only=["messages"])
    await world.command(says("2", name="b", psid=MIA))
    await world.accepted(MIA, "1", "2")
    await kafka.kill()
    await world.in_state("b", "done")
    await kafka.start()
    await world.told("b:sent")
    assert await world.box.texts(MIA) == ["1", "2"]


async def test_a_silence_between_death_and_restart_keeps_what_waited_from_leaving(world):
    await world.box.write(MIA)
    await world.box.faults(delay_answers_s=1.5, only=["messages"])
    async with world.process() as first:
        await world.command(
            says("Under way", name="a", psid=MIA, epoch=1), says("Too late", name="b", psid=MIA, epoch=1)
        )
        await world.accepted(MIA, "Under way")
        first.send(signal.SIGKILL)
        await first.ended()
    await world.box.faults()
    await world.command(silence(2, psid=MIA), says("A person", name="c", psid=MIA, epoch=2, person=True))
    async with world.process():
        await world.told("a:sent", "b:suppressed", "c:sent")
    assert await world.box.texts(MIA) == ["Under way", "A person"]
    assert {report.conversation for report in world.reports()} == {conversation(MIA)}


async def test_a_paused_broker_and_its_return_are_survived(world, kafka):
    world.start()
    await world.box.write(MIA, JONAS)
    await world.command(says("1", name="a", psid=MIA))
    await world.told("a:sent")
    await kafka.pause()
    await asyncio.sleep(2.0)  # longer than a fetch, shorter than the session
    await kafka.resume()
    await world.command(says("2", name="b", psid=MIA), says("3", name="c", psid=JONAS))
    await world.told("b:sent", "c:sent")
    await until(lambda: world.told_ids() == ["a:sent", *world.told_ids()[1:]], "reports in order", DEADLINE)
    assert await world.box.texts(MIA) == ["1", "2"]
