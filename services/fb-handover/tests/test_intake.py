from fb_commands import AT, conversation, passes_thread, reads_profile, reads_thread, says, silence

from fb_handover.intake import heard, plan
from fb_handover.outgoing import State, Step
from runtime.records import Record
from schemas.conversations import Echo
from schemas.messages import OutMessage


def records(*events):
    return [Record("messenger.commands", 0, offset, event.key, AT, event) for offset, event in enumerate(events)]


def states(batch):
    return {row.command.id: row.state for row in batch.rows}


def test_commands_keep_the_order_of_the_log():
    batch = plan(records(says(name="a"), passes_thread(name="b"), says(name="c")))
    assert [row.command.id for row in batch.rows] == ["a", "b", "c"]
    assert [row.step for row in batch.rows] == [Step.SEND, Step.PASS, Step.SEND]


def test_a_silence_meets_what_stands_before_it_in_the_batch():
    batch = plan(
        records(says(name="a", epoch=1), passes_thread(name="b", epoch=1), silence(2), says(name="c", epoch=2))
    )
    assert states(batch) == {"a": State.SUPPRESSED, "b": State.SUPPRESSED, "c": State.WAITING}
    assert batch.silences == {conversation(): 2}


def test_a_silence_leaves_its_own_epoch_and_other_conversations_alone():
    batch = plan(records(says(name="a", epoch=2), says(name="b", psid="99", epoch=1), silence(2)))
    assert set(states(batch).values()) == {State.WAITING}


def test_a_silence_does_not_meet_what_comes_after_it():
    assert states(plan(records(silence(5), says(name="a", epoch=1)))) == {"a": State.WAITING}


def test_a_silence_leaves_questions_since_they_say_nothing():
    batch = plan(records(reads_thread(name="a", epoch=1), reads_profile(name="b", epoch=1), silence(2)))
    assert set(states(batch).values()) == {State.WAITING}


def test_a_silence_leaves_what_a_person_said_since_it_was_accepted():
    batch = plan(records(says(name="a", epoch=1, person=True), says(name="b", epoch=1), silence(2)))
    assert states(batch) == {"a": State.WAITING, "b": State.SUPPRESSED}


def test_of_several_silences_the_highest_epoch_counts():
    assert plan(records(silence(4, name="x"), silence(3, name="y"))).silences == {conversation(): 4}


def test_a_message_with_typing_begins_with_it():
    [row] = plan(records(says(message=OutMessage(text="Hm", typing=1.0)))).rows
    assert row.step is Step.TYPING


def test_only_echoes_with_our_metadata_are_heard():
    events = (
        Echo(id="1", conversation=conversation(), mid="m_1", metadata='{"c":"a"}'),
        Echo(id="2", conversation=conversation(), mid="m_2", metadata="staff"),
        Echo(id="3", conversation=conversation(), mid="m_3"),
        Echo(id="4", conversation=conversation(), mid="m_4", metadata='{"c":"a","p":1}', channel="standby"),
    )
    assert [(each.origin.command, each.origin.part, each.mid) for each in heard(records(*events))] == [
        ("a", 0, "m_1"),
        ("a", 1, "m_4"),
    ]
