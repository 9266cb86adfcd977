"""What a customer does with messages that are there, receipts, and whose an echo is."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from takeover_world import ANA, APP, INBOX, MIA, World, bot_settings

from schemas.commands import SendMessage
from schemas.conversations import (
    CustomerDeleted,
    CustomerEdited,
    CustomerReacted,
    CustomerReferred,
    MessageSent,
    Receipt,
)
from schemas.messages import CustomerInput, Referral
from schemas.outcomes import (
    CustomerReturned,
    CustomerSaid,
    MessageDeleted,
    MessageEdited,
    MessageReacted,
    MessagesReceived,
    StaffSaid,
)
from schemas.turns import TurnAsked
from takeover.step import MAX_MARKS

BUSY = settings(deadline=None)  # a busy machine is no fault of the code


def with_person() -> World:
    return World().requested().facebook_does_all()


def attended() -> World:
    world = with_person()
    world.takes_over(ANA)
    return world


HAVE = {"bot": lambda: World().bot_has(), "requested": with_person, "attended": attended}
each = pytest.mark.parametrize("have", HAVE)


def edits(world: World, mid: str, text: str, number: int = 1):
    return world.fold(CustomerEdited(**world.common("e"), mid=mid, text=text, number=number))


def deletes(world: World, mid: str):
    return world.fold(CustomerDeleted(**world.common("d"), mid=mid))


def sees(world: World, *, until=None, state="seen", mids=()):
    return world.fold(Receipt(**world.common("r"), state=state, until=until, mids=mids))


def sent(world: World, command: SendMessage, mid: str):
    fields = {"command": command.id, "epoch": command.epoch, "seq": command.seq, "mid": mid}
    return world.fold(MessageSent(**world.common("s"), **fields))


def line(world: World, seq: int) -> str:
    return next(said.text for said in world.state.recent if said.seq == seq)


# --- edits and deletions


def test_what_waits_for_its_turn_is_answered_as_it_reads_now():
    world = World()
    world.says("one", mid="m_1")
    world.says("Saturday?", mid="m_2")
    seq = world.one(CustomerSaid).seq
    edits(world, "m_2", "Sunday?")
    assert world.one(MessageEdited).message_seq == seq
    world.answers("First.")
    assert world.one(TurnAsked).input.message.text == "Sunday?"
    assert line(world, seq) == "Sunday?"


@pytest.mark.parametrize("how", [deletes, lambda world, mid: edits(world, mid, "other")])
def test_a_turn_that_is_out_goes_on_as_asked(how):
    world = World()
    world.says("one", mid="m_1")
    turn = world.state.turn
    how(world, "m_1")
    assert world.state.turn == turn
    assert world.of(TurnAsked) == []
    world.answers("Done.")
    assert world.texts() == ["Done."]


def test_no_turn_is_asked_for_what_was_taken_back():
    world = World()
    world.says("one", mid="m_1")
    world.says("my card number is 1234", mid="m_2")
    seq = world.one(CustomerSaid).seq
    deletes(world, "m_2")
    assert world.one(MessageDeleted).message_seq == seq
    world.answers("First.")
    assert world.of(TurnAsked) == []
    assert "1234" not in world.state.to_json()


@each
def test_an_edit_is_told_and_is_no_act(have):
    world = HAVE[have]()
    world.says("Saturday?", mid="m_1")
    before = world.state
    edits(world, "m_1", "Back to bot", number=3)
    told = world.one(MessageEdited)
    assert (told.mid, told.text, told.number, len(world.last)) == ("m_1", "Back to bot", 3, 1)
    assert (world.state.owner, world.state.epoch, world.state.seq) == (before.owner, before.epoch, before.seq)
    assert line(world, before.seq) == "Back to bot"


@each
def test_what_was_taken_back_is_told_and_not_remembered(have):
    world = HAVE[have]()
    world.says("my card number is 1234", mid="m_1")
    before = world.state
    deletes(world, "m_1")
    assert world.one(MessageDeleted).mid == "m_1"
    assert (world.state.owner, world.state.epoch, world.state.seq) == (before.owner, before.epoch, before.seq)
    assert line(world, before.seq) == "[deleted]"
    edits(world, "m_1", "1234 again")
    assert line(world, before.seq) == "[deleted]"


def test_what_nobody_knows_any_more_is_told_by_its_mid():
    world = World().bot_has()
    before = world.state
    edits(world, "m_old", "x")
    assert world.one(MessageEdited).message_seq is None
    deletes(world, "m_old")
    assert world.one(MessageDeleted).message_seq is None
    assert (world.state.queue, world.state.recent) == (before.queue, before.recent)


def held() -> World:
    """Two messages wait until Facebook tells who has the thread."""
    world = with_person().wait(20)
    world.says("are you there?", mid="m_1")
    world.says("my card number is 1234", mid="m_2")
    assert [message.mid for message in world.state.held] == ["m_1", "m_2"]
    return world


def test_what_waits_for_the_threads_owner_is_told_as_it_reads_then():
    world = held()
    assert edits(world, "m_1", "hello?") == ()
    world.replies()
    world.hands_back()
    said = [told for told in world.all(CustomerSaid) if told.mid == "m_1"]
    assert [told.input.text for told in said] == ["hello?"]


def test_what_was_taken_back_before_it_was_anybodys_is_nobodys_and_never_shown():
    world = held()
    assert deletes(world, "m_2") == ()
    assert edits(world, "m_2", "1234") == ()
    world.hands_back()
    (said,) = [told for told in world.all(CustomerSaid) if told.mid == "m_2"]
    assert (said.input, said.addressed) == (CustomerInput(), "record")
    assert [told.message_seq for told in world.all(MessageDeleted)] == [said.seq]
    asked = [turn.input.message.text for turn in world.all(TurnAsked) if turn.input.message]
    assert "" not in asked
    assert "1234" not in world.state.to_json()


# --- what else comes: reactions, returns, receipts


@each
def test_a_reaction_is_told_and_moves_nothing(have):
    world = HAVE[have]()
    world.says("hi", mid="m_1")
    before = world.state
    for action, reaction, emoji, expected in (
        ("react", "love", "❤", ("love", "❤")),
        ("react", "", "", ("other", "")),
        ("unreact", "love", "❤", ("", "")),
    ):
        event = CustomerReacted(**world.common("x"), mid="m_1", action=action, reaction=reaction, emoji=emoji)
        world.fold(event)
        told = world.one(MessageReacted)
        assert (told.reaction, told.emoji) == expected
        assert told.message_seq == before.seq
    assert (world.state.owner, world.state.epoch, world.state.turn) == (before.owner, before.epoch, before.turn)


@each
def test_a_return_is_told_and_moves_nothing(have):
    world = HAVE[have]()
    before = world.state
    world.fold(CustomerReferred(**world.common("x"), referral=Referral(ref="spring", source="SHORTLINK")))
    assert world.one(CustomerReturned).referral.ref == "spring"
    assert (world.state.owner, world.state.epoch, world.state.turn) == (before.owner, before.epoch, before.turn)


@each
def test_a_receipt_is_told_once_and_moves_nothing(have):
    world = HAVE[have]()
    before = world.state
    until = world.now - timedelta(seconds=1)
    sees(world, state="delivered", until=until)
    assert world.one(MessagesReceived).state == "delivered"
    sees(world, until=until)
    assert world.one(MessagesReceived).until == until
    for state in ("seen", "delivered"):
        assert sees(world, state=state, until=until) == ()
        assert sees(world, state=state, until=until - timedelta(seconds=9)) == ()
    sees(world, mids=("m_9",))
    assert world.one(MessagesReceived).mids == ("m_9",)
    assert (world.state.owner, world.state.epoch, world.state.turn) == (before.owner, before.epoch, before.turn)


def test_what_was_seen_has_arrived():
    world = World().bot_has()
    until = world.now
    sees(world, until=until)
    assert sees(world, state="delivered", until=until) == ()


# --- whose an echo is

APPS = st.sampled_from([None, APP, INBOX, "999"])
METADATA = st.sampled_from(
    [None, "", "{", "7", "null", '{"c": 7}', '{"c": "x!1"}', '{"c": "messenger:1001:9!1"}', f'{{"c": "{MIA}!1"}}']
)
MIDS = st.sampled_from(["", "m_ours", "m_theirs"])
WORDS = st.sampled_from(["", "Hello from the bot.", "Hello from a person.", "Hello"])


@BUSY
@given(
    app=APPS,
    metadata=METADATA,
    mid=MIDS,
    text=WORDS,
    channel=st.sampled_from(["messaging", "standby"]),
    answered=st.booleans(),
)
def test_an_echo_is_ours_if_and_only_if_something_of_ours_is_in_it(app, metadata, mid, text, channel, answered):
    """`answered`: the send's answer came before the echo, so that its mid is known."""
    world = World()
    world.says("hi")
    world.answers("Hello from the bot.")
    if answered:
        sent(world, world.one(SendMessage), "m_ours")
    before = world.state
    world.staff_replies(text, app_id=app, metadata=metadata, mid=mid, channel=channel)
    ours = (
        app == APP
        or metadata == f'{{"c": "{MIA}!1"}}'
        or (answered and mid == "m_ours")
        or (app is None and metadata is None and text == "Hello from the bot.")
    )
    assert (world.of(StaffSaid) == []) == ours
    assert (world.state.owner == before.owner) == ours
    if ours:
        assert (world.state.recent, world.state.epoch) == (before.recent, before.epoch)


@BUSY
@given(order=st.permutations(["echo", "answer"]), stripped=st.booleans())
def test_in_either_order_of_echo_and_answer_a_message_of_ours_is_ours(order, stripped):
    world = World()
    world.says("hi")
    world.answers("Hello from the bot.")
    command = world.one(SendMessage)
    metadata = None if stripped else f'{{"c":"{command.id}"}}'
    for what in order:
        if what == "answer":
            sent(world, command, "m_ours")
        else:
            world.staff_replies("Hello from the bot.", app_id=None, metadata=metadata, mid="m_ours")
    assert world.state.owner == "bot"
    assert world.all(StaffSaid) == []


def test_an_apps_that_is_listed_as_a_bot_and_automatic_texts_are_recorded_whatever_the_array():
    world = World(bot_settings()).bot_has()
    for channel in ("messaging", "standby"):
        world.staff_replies("beep", app_id="888", channel=channel)
        assert world.one(StaffSaid).automatic
    assert world.state.owner == "bot"


def test_only_so_many_messages_are_known_by_their_mid():
    world = World()
    for number in range(3 * MAX_MARKS):
        world.says("hi", mid=f"m_{number}")
    assert len(world.state.marks) == MAX_MARKS
    assert world.state.seq_of(f"m_{3 * MAX_MARKS - 1}") == world.state.seq
    assert world.state.seq_of("m_0") is None
