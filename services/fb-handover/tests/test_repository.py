"""The tables: claims, fences, the ledger, silences, and that nothing reads a whole table."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from fb_commands import AT, PAGE, begun, context, passes_thread, reads_thread, row, says, silence
from pydantic import SecretStr

from fb_handover import intake, order, repository
from fb_handover.graph_body import Origin, write_metadata
from fb_handover.handlers import Commands, Echoes
from fb_handover.order import Looked, Transition
from fb_handover.outgoing import State, Step
from fb_handover.repository import LaneLost, Outbound, PageShut
from fb_handover.settings import Settings
from graphapi.answers import Accepted, Later, Unknown
from runtime.migrations import migrate
from runtime.postgres import close, connect, transaction
from runtime.records import Record
from schemas.commands import Erase, SendMessage
from schemas.conversations import Echo
from schemas.messages import OutMessage

PARTITION = 3
OK = Accepted({"message_id": "m_1"})


@pytest.fixture
async def pool(database_url):
    settings = Settings(database_url=SecretStr(database_url))
    await migrate(settings, "fb_handover", "fb_handover")
    made = await connect(settings, "fb_handover")
    yield made
    await close(made)


@pytest.fixture
def outbound(pool):
    return Outbound(pool, owner="first", lease=60.0)


async def store(pool, *commands, partition=PARTITION):
    records = [Record("messenger.commands", partition, n, each.key, AT, each) for n, each in enumerate(commands)]
    async with transaction(pool) as tx:
        return list((await repository.store(tx, partition, intake.plan(records))).closed)


async def taken(pool, outbound, *commands, most=10):
    """Stored by a process that begins every message."""
    records = [Record("messenger.commands", PARTITION, n, each.key, AT, each) for n, each in enumerate(commands)]
    claimant = outbound.claimant(most, lambda command: isinstance(command, SendMessage))
    async with transaction(pool) as tx:
        return (await repository.store(tx, PARTITION, intake.plan(records), claimant)).taken


async def states(pool):
    return {row["command"]: row["state"] for row in await pool.fetch("SELECT command, state FROM outgoing")}


async def claimed(outbound):
    [lane] = await outbound.claim([PARTITION], 10)
    return lane


async def settle(outbound, lane, row, transition):
    return await outbound.settle(lane, row, lambda met: order.meet(transition, met, context()), traceparent=None)


def done(row):
    return Transition(replace(row, state=State.DONE))


async def test_a_conversation_is_claimed_by_one_alone(pool, outbound):
    await store(pool, says(name="a"))
    assert len(await outbound.claim([PARTITION], 10)) == 1
    assert await Outbound(pool, owner="second", lease=60.0).claim([PARTITION], 10) == []


async def test_many_who_claim_at_once_share_without_overlap(pool):
    await store(pool, *[says(name=f"c{n}", psid=str(n)) for n in range(60)])
    claims = await asyncio.gather(*[Outbound(pool, owner=str(n), lease=60.0).claim([PARTITION], 20) for n in range(6)])
    conversations = [lane.conversation for lanes in claims for lane in lanes]
    assert len(conversations) == len(set(conversations))


async def test_only_partitions_asked_for_are_claimed(pool, outbound):
    await store(pool, says(name="a"))
    assert await outbound.claim([PARTITION + 1], 10) == []


async def test_a_claim_that_ran_out_goes_to_another_and_its_old_holder_writes_nothing(pool):
    await store(pool, says(name="a"))
    slow = Outbound(pool, owner="slow", lease=0.0)
    old = await claimed(slow)
    row = await slow.head(old)
    other = Outbound(pool, owner="other", lease=60.0)
    new = await claimed(other)
    assert new.fence != old.fence
    assert await slow.begin(old, row) is None
    with pytest.raises(LaneLost):
        await settle(slow, old, row, done(row))
    assert await other.begin(new, row) is not None


async def test_a_command_is_begun_once(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.head(lane)
    assert await outbound.begin(lane, row) is not None
    assert await outbound.begin(lane, row) is None


async def test_a_conversation_that_had_nothing_open_is_claimed_as_it_is_stored_and_its_first_message_begun(
    pool, outbound
):
    [conversation] = await taken(pool, outbound, says(name="a"), says(name="b"))
    assert (conversation.row.command.id, conversation.row.state, conversation.row.attempts) == ("a", State.SENDING, 1)
    assert await states(pool) == {"a": State.SENDING, "b": State.WAITING}
    assert await Outbound(pool, owner="second", lease=60.0).claim([PARTITION], 10) == []
    settled = await settle(outbound, conversation.lane, conversation.row, done(conversation.row))
    assert settled.following.command.id == "b"


async def test_a_conversation_with_something_open_is_left_to_whoever_works_on_it(pool, outbound):
    await store(pool, says(name="a"))
    assert await taken(pool, outbound, says(name="b")) == ()
    lane = await claimed(outbound)
    assert await taken(pool, outbound, says(name="c")) == ()
    assert set((await states(pool)).values()) == {State.WAITING}
    assert await outbound.begin(lane, await outbound.head(lane)) is not None, "the claim stands as it was"


async def test_no_more_conversations_are_claimed_than_there_is_time_for_and_the_rest_is_due_at_once(pool, outbound):
    found = await taken(pool, outbound, *[says(name=f"c{n}", psid=str(n)) for n in range(5)], most=2)
    assert len(found) == 2
    assert len(await outbound.claim([PARTITION], 10)) == 3


async def test_a_question_is_claimed_as_it_is_stored_and_not_begun(pool, outbound):
    [conversation] = await taken(pool, outbound, reads_thread(name="a"), says(name="b"))
    assert (conversation.row.command.id, conversation.row.state) == ("a", State.WAITING)
    assert await outbound.begin(conversation.lane, conversation.row) is not None


async def test_a_message_that_a_silence_of_its_batch_met_is_not_begun(pool, outbound):
    [conversation] = await taken(pool, outbound, says(name="a"), silence(2))
    assert conversation.row is None
    assert await states(pool) == {"a": State.SUPPRESSED}
    assert await outbound.head(conversation.lane) is None
    assert await pool.fetchval("SELECT count(*) FROM lane") == 0


async def test_a_command_that_comes_twice_is_not_begun_again(pool, outbound):
    await taken(pool, outbound, says(name="a"))
    await pool.execute("UPDATE outgoing SET state = 'done'")
    await pool.execute("DELETE FROM lane")
    [conversation] = await taken(pool, outbound, says(name="a"))
    assert conversation.row is None


class Sender:
    """Remembers what it is told."""

    def __init__(self, outbound):
        self.outbound = outbound
        self.taken = []
        self.woken = 0

    def own(self, partition):
        pass

    def disown(self, partition):
        pass

    def wake(self):
        self.woken += 1

    def claimant(self):
        return self.outbound.claimant(1, lambda _command: False)

    def take(self, taken):
        self.taken += [each.lane.conversation for each in taken]

    def done(self, command):
        return command == "done"


def echo_of(name):
    ours = write_metadata(Origin(name))
    event = Echo(id=f"echo:{name}", occurred_at=AT, conversation=says().conversation, mid="m_7", metadata=ours)
    return Record("conversations", PARTITION, 1, event.key, AT, event)


async def test_an_echo_of_what_is_known_to_be_done_asks_the_database_nothing_and_any_other_does(pool, outbound):
    echoes = Echoes(Sender(outbound), context)
    assert await echoes.decide(None, PARTITION, [echo_of("done")]) is not None
    assert await echoes.handle(None, PARTITION, [echo_of("done")]) == []
    await taken(pool, outbound, says(name="a"))
    assert await echoes.decide(pool, PARTITION, [echo_of("done"), echo_of("a")]) is None, "a transaction is needed"
    async with transaction(pool) as tx:
        await echoes.handle(tx, PARTITION, [echo_of("done"), echo_of("a")])
    assert await pool.fetchval("SELECT mid FROM outgoing") == "m_7"


async def test_nothing_is_sent_of_a_transaction_that_failed_and_all_of_one_that_is_committed(pool, outbound):
    sender = Sender(outbound)
    commands = Commands(sender, lambda: AT)
    records = [Record("messenger.commands", PARTITION, n, f"k{n}", AT, says(name=f"c{n}", psid=f"{n}")) for n in (1, 2)]
    with suppress(ZeroDivisionError):
        async with transaction(pool) as tx:
            await commands.handle(tx, PARTITION, records)
            raise ZeroDivisionError
    async with transaction(pool) as tx:
        await commands.assigned(tx, "messenger.commands", PARTITION)
    commands.committed("messenger.commands", PARTITION)
    assert (sender.taken, sender.woken) == ([], 0)
    async with transaction(pool) as tx:
        await commands.handle(tx, PARTITION, records)
        assert sender.taken == []
    commands.committed("messenger.commands", PARTITION)
    assert len(sender.taken) == 1
    assert sender.woken == 1, "the other conversation is for whoever looks"


async def test_commands_follow_each_other_and_the_lane_goes_with_the_last(pool, outbound):
    await store(pool, says(name="a"), says(name="b"))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    settled = await settle(outbound, lane, row, done(row))
    assert settled.following.command.id == "b"
    row = await outbound.begin(lane, settled.following)
    assert (await settle(outbound, lane, row, done(row))).following is None
    assert await pool.fetchval("SELECT count(*) FROM lane") == 0


async def test_a_command_stored_while_the_last_one_is_closed_is_not_forgotten(pool, outbound):
    """The lane is locked on both sides: either the sender sees the new command, or the lane is made anew."""
    for n in range(20):
        await store(pool, says(name=f"a{n}"))
        lane = await claimed(outbound)
        row = await outbound.begin(lane, await outbound.head(lane))
        settled, _ = await asyncio.gather(
            settle(outbound, lane, row, done(row)), store(pool, says(name=f"b{n}", person=True))
        )
        if settled.following is None:
            lane = await claimed(outbound)
        row = await outbound.head(lane)
        assert row.command.id == f"b{n}"
        await settle(outbound, lane, row, done(row))


async def unlocked(pool):
    """Waits until somebody waits for a lock."""
    while not await pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        pass


async def test_the_last_command_is_closed_told_of_and_its_lane_removed_without_a_transaction_of_many_statements(
    pool, outbound, monkeypatch
):
    [conversation] = await taken(pool, outbound, says(name="a"))
    row = conversation.row
    monkeypatch.delattr(repository, "transaction")
    settled = await settle(outbound, conversation.lane, row, order.after(row, OK, context(), None))
    assert settled.following is None
    assert settled.stored.row.state is State.DONE
    stored = await pool.fetchrow("SELECT state, mid, attempts FROM outgoing")
    assert tuple(stored) == ("done", "m_1", 1)
    assert await pool.fetchval("SELECT count(*) FROM lane") == 0
    [body] = [each["body"] for each in await pool.fetch("SELECT body FROM outbox WHERE slot IS NULL")]
    assert b"a:sent" in body


async def test_a_command_stored_while_a_close_waits_for_the_lane_is_gone_on_with(pool, outbound):
    """The close began before the command was committed: its snapshot does not hold it."""
    [conversation] = await taken(pool, outbound, says(name="a"))
    plan = intake.plan([Record("messenger.commands", PARTITION, 1, "k", AT, says(name="b"))])
    async with transaction(pool) as tx:
        await repository.store(tx, PARTITION, plan)
        closing = asyncio.create_task(settle(outbound, conversation.lane, conversation.row, done(conversation.row)))
        await asyncio.wait_for(unlocked(pool), 30)
    settled = await closing
    assert settled.following.command.id == "b"
    assert await states(pool) == {"a": "done", "b": "waiting"}
    assert await outbound.begin(conversation.lane, settled.following) is not None, "the claim is still there"


async def test_an_echo_noted_while_a_close_waits_for_the_lane_is_met(pool, outbound):
    [conversation] = await taken(pool, outbound, says(name="a"))
    row = conversation.row
    uncertain = order.after_looking(replace(row, unknowns=1), Looked(), context())
    assert uncertain.row.state is State.UNCERTAIN
    async with transaction(pool) as tx:
        [heard] = await repository.echoed(tx, [says().conversation], ["a"])
        await repository.note_echoes(tx, [replace(heard, mid="m_7")])
        closing = asyncio.create_task(settle(outbound, conversation.lane, row, uncertain))
        await asyncio.wait_for(unlocked(pool), 30)
    settled = await closing
    assert (settled.stored.row.mid, settled.stored.row.state) == ("m_7", State.SENDING)
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0, "nothing uncertain is told"


async def test_a_close_under_a_claim_that_was_lost_writes_and_tells_nothing(pool, outbound):
    [conversation] = await taken(pool, outbound, says(name="a"))
    row = conversation.row
    await pool.execute("UPDATE lane SET due_at = clock_timestamp()")
    assert len(await Outbound(pool, owner="second", lease=60.0).claim([PARTITION], 10)) == 1
    with pytest.raises(LaneLost):
        await settle(outbound, conversation.lane, row, order.after(row, OK, context(), None))
    assert await states(pool) == {"a": "sending"}
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_conversation_that_somebody_works_on_is_left_to_them_and_nobody_is_woken(pool, outbound):
    await taken(pool, outbound, says(name="a"))
    plan = intake.plan([Record("messenger.commands", PARTITION, 1, "k", AT, says(name="b"))])
    async with transaction(pool) as tx:
        stored = await repository.store(tx, PARTITION, plan, outbound.claimant(10, lambda _command: True))
    assert (stored.taken, stored.resting) == ((), False)


async def test_a_silence_for_a_conversation_with_nothing_open_makes_no_lane(pool):
    assert await store(pool, silence(2)) == []
    assert await pool.fetchval("SELECT count(*) FROM lane") == 0


async def test_an_echo_of_a_closed_message_waits_for_no_lock(pool, outbound):
    [conversation] = await taken(pool, outbound, says(name="a"))
    await settle(outbound, conversation.lane, conversation.row, done(conversation.row))
    await taken(pool, outbound, says(name="b"))
    async with transaction(pool) as holder:
        await holder.execute("SELECT FROM lane FOR UPDATE")
        decided = await asyncio.wait_for(Echoes(Sender(outbound), context).decide(pool, PARTITION, [echo_of("a")]), 10)
        assert decided is not None


async def test_a_command_that_is_put_off_rests_and_others_go_on(pool, outbound):
    await store(pool, says(name="a"), says(name="b"), says(name="c", psid="99"))
    lanes = {lane.conversation: lane for lane in await outbound.claim([PARTITION], 10)}
    lane = lanes[says().conversation]
    row = await outbound.begin(lane, await outbound.head(lane))
    later = order.after(row, Later("busy"), context(first_delay=60.0), None)
    assert (await settle(outbound, lane, row, later)).following is None
    assert await outbound.claim([PARTITION], 10) == []
    assert 50.0 < await outbound.next_due([PARTITION]) < 61.0


async def test_new_commands_do_not_wake_a_conversation_that_rests(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    await settle(outbound, lane, row, order.after(row, Later("busy"), context(first_delay=60.0), None))
    await store(pool, says(name="b"))
    assert await outbound.claim([PARTITION], 10) == []


async def test_a_silence_closes_what_waits_marks_what_is_sent_and_wakes_the_conversation(pool, outbound):
    await store(
        pool,
        says(name="sending"),
        says(name="waits"),
        passes_thread(name="control"),
        reads_thread(name="question"),
        says(name="later epoch", epoch=2),
    )
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    closed = await store(pool, silence(2))
    assert [each.command.id for each in closed] == ["waits", "control"]
    assert await states(pool) == {
        "sending": "sending",
        "waits": "suppressed",
        "control": "suppressed",
        "question": "waiting",
        "later epoch": "waiting",
    }
    put_off = await settle(outbound, lane, row, order.after(row, Later("busy"), context(), None))
    assert put_off.stored.row.state is State.SUPPRESSED
    assert put_off.following.command.id == "question"


async def test_a_silence_wakes_a_conversation_whose_first_command_rested(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    await settle(outbound, lane, row, order.after(row, Later("busy"), context(first_delay=60.0), None))
    await store(pool, silence(2), says(name="b", epoch=2, person=True))
    lane = await claimed(outbound)
    assert (await outbound.head(lane)).command.id == "b"


async def test_a_silence_and_a_beginning_never_both_win(pool, outbound):
    for n in range(30):
        psid = str(5000 + n)
        await store(pool, says(name=f"c{n}", psid=psid))
        lane = await claimed(outbound)
        row = await outbound.head(lane)
        begun_row, closed = await asyncio.gather(
            outbound.begin(lane, row), store(pool, silence(2, name=f"s{n}", psid=psid))
        )
        assert (begun_row is None) == (len(closed) == 1)
        await pool.execute("DELETE FROM lane")


async def test_a_pass_that_follows_its_message_is_silenced_as_said(pool, outbound):
    await store(pool, says(name="a", then_pass=True))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    alone = replace(row, riding=False)
    await settle(outbound, lane, row, order.after(alone, OK, context(), None))
    [closed] = await store(pool, silence(2))
    assert closed.said
    assert await states(pool) == {"a": "done"}


async def test_a_command_stored_twice_stays_one(pool):
    await store(pool, says(name="a"))
    assert await store(pool, says(name="a"), silence(2)) != []
    assert await states(pool) == {"a": "suppressed"}


async def test_a_silence_of_the_batch_that_brings_a_command_again_tells_it_once(pool):
    await store(pool, says(name="a"))
    assert len(await store(pool, says(name="a"), silence(2))) == 1


async def test_a_text_with_a_null_character_is_kept(pool, outbound):
    await store(pool, says("a\x00b", name="a"))
    lane = await claimed(outbound)
    assert (await outbound.head(lane)).command.message.text == "a\x00b"


async def test_every_field_of_a_command_comes_back(pool, outbound):
    command = says("Text", name="a", person=True, then_pass=True, reply="r-1", client_id="b-1", episode="e-1")
    await store(pool, command)
    lane = await claimed(outbound)
    assert (await outbound.head(lane)).command == command


async def test_an_unknown_outcome_is_found_with_its_age(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    settled = await settle(outbound, lane, row, order.after(row, Unknown("cut"), context(), None))
    assert settled.following is None
    await pool.execute("UPDATE outgoing SET sending_at = clock_timestamp() - interval '40 s'")
    await pool.execute("UPDATE lane SET due_at = clock_timestamp()")
    lane = await claimed(outbound)
    found = await outbound.head(lane)
    assert found.state is State.SENDING
    assert 39.0 < found.sending_for < 60.0


async def test_echoes_note_their_message_and_wake_the_conversation(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    await settle(outbound, lane, row, order.after(row, Unknown("cut"), context(), None))
    async with transaction(pool) as tx:
        [heard] = await repository.echoed(tx, [says().conversation], ["a"])
        await repository.note_echoes(tx, [replace(heard, mid="m_7")])
    lane = await claimed(outbound)
    assert (await outbound.head(lane)).mid == "m_7"


async def test_an_echo_during_a_request_is_met_when_its_answer_is_lost(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.begin(lane, await outbound.head(lane))
    async with transaction(pool) as tx:
        [heard] = await repository.echoed(tx, [says().conversation], ["a"])
        await repository.note_echoes(tx, [replace(heard, mid="m_7")])
    settled = await settle(outbound, lane, row, order.after(row, Unknown("cut"), context(), None))
    assert (settled.following.mid, settled.following.state) == ("m_7", State.SENDING)


async def test_what_a_message_repeats_is_found_attempt_by_attempt_and_in_its_own_conversation_alone(pool, outbound):
    stranger = says(name="z", psid="8844")
    again = {name: says(name=name, again=before) for name, before in (("b", "a"), ("c", "b"), ("lost", "z"))}
    await store(pool, stranger, says(name="a"), *again.values())
    assert [each.command.id for each in await outbound.earlier(row(again["c"]))] == ["b", "a"]
    assert await outbound.earlier(row(again["lost"])) == []
    assert await outbound.earlier(row(says(name="own", again="own"))) == []


async def test_the_age_of_what_waits_is_known_by_partition(pool, outbound):
    await store(pool, says(name="a"))
    await pool.execute("UPDATE outgoing SET created_at = clock_timestamp() - interval '90 s'")
    ages = await outbound.oldest([PARTITION, PARTITION + 1])
    assert list(ages) == [PARTITION]
    assert 89.0 < ages[PARTITION] < 120.0


async def test_closed_commands_go_after_their_time_and_open_ones_stay(pool, outbound):
    await store(pool, says(name="old"), says(name="open"), says(name="young", psid="99"))
    await pool.execute("UPDATE outgoing SET state = 'done' WHERE command IN ('old', 'young')")
    await pool.execute(
        "UPDATE outgoing SET updated_at = clock_timestamp() - interval '8 days' WHERE command IN ('old', 'open')"
    )
    assert await outbound.sweep(7 * 24 * 3600.0) == 1
    assert set(await states(pool)) == {"open", "young"}


async def test_nothing_that_runs_for_each_message_reads_a_whole_table(pool, outbound):
    """With a hundred thousand closed commands and many open lanes, every statement goes by an index."""
    await pool.execute(
        "INSERT INTO outgoing (conversation, partition, page, command, epoch, kind, body, state, step)"
        " SELECT 'messenger:1:' || n % 5000, n % 8, '1', 'old-' || n, 1, 'message.send.v1', '{}', 'done', 'send'"
        " FROM generate_series(1, 100000) AS n"
    )
    await pool.execute(
        "INSERT INTO lane (conversation, partition, due_at)"
        " SELECT 'messenger:1:' || n, n % 8, clock_timestamp() + interval '1 hour' FROM generate_series(1, 20000) AS n"
    )
    await pool.execute("ANALYZE")
    await store(pool, says(name="a"))
    sql = repository._SQL
    plans = {
        "claim": ([PARTITION], 64, "x", 60.0),
        "next_due": ([PARTITION],),
        "oldest": ([PARTITION],),
        "head": (says().conversation,),
        "begin": (says().conversation, 1, 1, 60.0, PAGE),
        "earlier": (says().conversation, "a"),
        "known_mids": (says().conversation, 90.0),
        "hold_lane": (says().conversation, 1),
        "met": (1,),
        "close": (
            says().conversation,
            1,
            1,
            "sending",
            0,
            None,
            False,
            "done",
            "send",
            True,
            False,
            0,
            1,
            "m",
            "",
            b"",
        ),
        "hearable": (["a"],),
        "silence": ([says().conversation], [2]),
        "wake_lanes": ([says().conversation],),
        "echoed": (["a"],),
        "lock_lanes": ([says().conversation],),
        "sweep": (3600.0, 1000),
    }
    for name, arguments in plans.items():
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + sql[name], *arguments))
        assert "Seq Scan on outgoing" not in plan, f"{name}:\n{plan}"
        assert "Seq Scan on lane" not in plan, f"{name}:\n{plan}"
        # a time that is a filter, not a bound of the index, has every row of it read
        assert "Filter: (due_at" not in plan, f"{name}:\n{plan}"
        assert "Filter: (updated_at" not in plan, f"{name}:\n{plan}"


async def shut(pool, page=PAGE):
    await pool.execute("INSERT INTO page (page, paused_until) VALUES ($1, 'infinity')", page)


async def test_nothing_is_begun_for_a_page_that_any_process_has_paused(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    row = await outbound.head(lane)
    await shut(pool)
    with pytest.raises(PageShut):
        await outbound.begin(lane, row)
    assert await states(pool) == {"a": "waiting"}
    await pool.execute("UPDATE page SET paused_until = clock_timestamp()")
    assert await outbound.begin(lane, row) is not None


async def test_a_message_stored_for_a_page_without_a_good_token_is_not_begun(pool, outbound):
    await pool.execute("INSERT INTO page (page, stopped_token, stopped_version) VALUES ($1, 'x', 1)", PAGE)
    [conversation] = await taken(pool, outbound, says(name="a"))
    assert (conversation.row.state, conversation.row.attempts) == (State.WAITING, 0)
    assert await states(pool) == {"a": "waiting"}


async def test_a_silence_stops_what_waits_for_a_paused_page_and_leaves_what_a_person_said(pool, outbound):
    await shut(pool)
    await store(pool, says(name="bot"), says(name="person", person=True))
    await store(pool, silence(2))
    assert await states(pool) == {"bot": "suppressed", "person": "waiting"}


async def test_a_claim_is_given_back_for_a_while_and_not_where_it_was_lost(pool, outbound):
    await store(pool, says(name="a"))
    lane = await claimed(outbound)
    await outbound.release(replace(lane, fence=lane.fence + 1), 0.0)
    assert await outbound.claim([PARTITION], 10) == []
    await outbound.release(lane, 30.0)
    assert 20.0 < await outbound.next_due([PARTITION]) < 31.0


async def test_message_ids_of_the_conversations_other_commands_are_known(pool, outbound):
    await store(pool, says(name="a"), says(name="b"), says(name="c", psid="99"))
    await pool.execute("UPDATE outgoing SET state = 'done', mid = 'm_' || command WHERE command <> 'b'")
    assert await outbound.known_mids(says().conversation, 60.0) == {"m_a"}


def test_a_step_after_typing_is_a_step_of_the_same_row():
    assert begun(says()).step is Step.SEND


async def test_a_silence_leaves_what_a_person_said_and_closes_what_the_bot_did_between(pool):
    text = 'He said: "speaker":"operator"'
    await store(pool, says("Ana", name="ana", person=True), says("\x00", name="zero"), says(text, name="quotes"))
    await store(pool, silence(2), says("Ben", name="ben", epoch=2, person=True))
    assert await states(pool) == {"ana": "waiting", "zero": "suppressed", "quotes": "suppressed", "ben": "waiting"}


async def test_what_an_erased_customer_was_told_is_in_no_closed_command_and_an_echo_can_still_be_read(pool, outbound):
    await store(
        pool, says("Hello Mia", name="old", psid="1", epoch=0), says("for Ben", name="other", psid="2", epoch=0)
    )
    await store(pool, silence(1, psid="1"), silence(1, name="c-silence-2", psid="2"))
    await store(pool, says("not yet sent", name="new", psid="1"))
    erase = Erase(id="erase", conversation=says(psid="1").conversation, epoch=1, seq=9, at=AT)
    handler = Commands(Sender(outbound), lambda: AT)
    record = Record("messenger.commands", PARTITION, 9, erase.key, AT, erase)
    assert await handler.decide(pool, PARTITION, [record]) is None
    async with transaction(pool) as tx:
        assert await handler.handle(tx, PARTITION, [record]) == []
    bodies = {row["command"]: row["body"] for row in await pool.fetch("SELECT command, body FROM outgoing")}
    assert "Mia" not in bodies["old"]
    assert SendMessage.model_validate_json(bodies["old"]).message == OutMessage()
    assert "for Ben" in bodies["other"]
    assert "not yet sent" in bodies["new"]
