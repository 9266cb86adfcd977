"""The transcript's rules, without I/O."""

import random
from itertools import pairwise

import pytest
from console_world import ANA, BEGAN, BEN, Story, topic_of, whole_story
from hypothesis import given
from hypothesis import strategies as st

from console.state import EpisodePatch
from console.transcript import Batch, concerns, new_view, read_up_to
from schemas.handover import Cause
from schemas.messages import CustomerInput
from schemas.outcomes import CustomerSaid
from schemas.topics import OUTCOMES


def folded(events):
    batch = Batch([new_view(events[0])])
    for event in events:
        batch.take(event)
    return batch


def interleaved(events, choose):
    """The same records, each topic in its own order, the two topics in any order to each other."""
    queues = [
        [event for event in events if topic_of(event) == OUTCOMES],
        [event for event in events if topic_of(event) != OUTCOMES],
    ]
    found = []
    while any(queues):
        queue = queues[choose() if all(queues) else int(not queues[0])]
        found.append(queue.pop(0))
    return found


@given(st.data())
def test_the_two_topics_in_any_order_to_each_other_give_the_same_transcript(data):
    events = whole_story().events
    shuffled = interleaved(events, lambda: data.draw(st.integers(0, 1)))
    expected, found = folded(events), folded(shuffled)
    assert found.views == expected.views
    assert found.entries == expected.entries
    assert found.episodes == expected.episodes


def test_a_record_that_comes_again_changes_nothing():
    events = whole_story().events
    once = folded(events)
    twice = Batch(once.views.values())
    for event in events:
        twice.take(event)
    assert twice.views == once.views


def test_the_view_tells_who_has_the_conversation_why_and_until_when():
    story = Story().customer("help").started(block="b7", block_name="Ask", attended=False)
    story.answered(ANA, deadline=BEGAN)
    view = folded(story.events).views[story.conversation]
    assert (view.owner, view.cause, view.attended, view.holder_name, view.deadline, view.block) == (
        "human",
        Cause.FLOW,
        True,
        "Ana",
        BEGAN,
        "b7",
    )
    assert view.since == story.events[1].at


def test_after_the_end_nothing_of_the_episode_is_left_in_the_view():
    story = Story().customer("help").started(block="b7", deadline=BEGAN).answered(ANA).ended(by=ANA)
    view = folded(story.events).views[story.conversation]
    assert (view.owner, view.cause, view.epoch) == ("bot", Cause.OPERATOR, 2)
    assert (view.episode, view.holder_id, view.deadline, view.block, view.attended) == (None, None, None, "", False)


def test_a_note_for_the_next_episode_is_gone_when_one_begins_whoever_holds_it():
    story = Story().customer("help").assigned(ANA)
    view = folded(story.events).views[story.conversation]
    assert (view.assigned_id, view.assigned_name, view.owner) == (ANA.id, "Ana", "bot")
    begun = folded(story.started(Cause.PAGE_INBOX).events).views[story.conversation]
    assert (begun.assigned_id, begun.assigned_name, begun.holder_id) == (None, None, None)


def test_the_line_of_the_list_is_the_newest_thing_that_somebody_said():
    story = Story().known("Mia").customer("one").said("two").started().thread("us")
    view = folded(story.events).views[story.conversation]
    assert (view.last_seq, view.last_text, view.last_speaker) == (2, "two", "bot")
    assert view.last_at == story.events[3].at


def test_a_message_of_the_past_does_not_replace_a_newer_line():
    story = Story().said("first").customer("second")
    view = folded(list(reversed(story.events))).views[story.conversation]
    assert (view.last_text, view.seq) == ("second", 2)


def test_a_delivery_that_comes_before_its_message_is_kept_for_it():
    story = Story().said("hello").delivered(1)
    batch = folded([story.events[1], story.events[0]])
    patch = batch.entries[story.conversation, 1]
    assert patch.written.text == "hello"
    assert patch.delivered.state == "sent"


def test_the_last_word_on_a_delivery_counts():
    story = Story().said("hello").delivered(1, "uncertain").delivered(1, "sent")
    assert folded(story.events).entries[story.conversation, 1].delivered.state == "sent"


def test_what_the_bot_had_not_answered_is_the_persons():
    story = Story().customer("help").started(taken=(1,))
    assert folded(story.events).entries[story.conversation, 1].taken


def test_only_what_the_customer_wrote_after_the_mark_is_unread():
    story = Story().customer("one").said("two").customer("three")
    view = folded(story.events).views[story.conversation]
    assert view.unread == 2
    read = read_up_to(view, 2, 1)
    assert (read.unread, read.read_seq) == (1, 2)
    assert read_up_to(read, 1, 2) is read


def test_a_customers_message_that_was_read_before_it_came_is_not_unread():
    story = Story().customer("one")
    batch = Batch([read_up_to(new_view(story.events[0]), 5, 0)])
    batch.take(story.events[0])
    assert batch.views[story.conversation].unread == 0


def test_the_first_answer_of_an_episode_is_the_earliest_of_a_person():
    story = Story().started().answered(ANA).said("later", BEN)
    story.events.append(story.events[-1].model_copy(update={"seq": 3, "at": BEGAN, "operator": ANA}))
    assert folded(story.events).episodes[story.episode].first_answer_at == BEGAN


def test_an_episode_that_an_operator_began_names_them():
    begun = Story().started(Cause.OPERATOR).answered(ANA)
    assert folded(begun.events).episodes[begun.episode].by == ANA
    asked = Story().started(Cause.FLOW).answered(ANA)
    assert folded(asked.events).episodes[asked.episode].by is None


def test_an_automatic_reply_of_the_page_is_no_first_answer():
    story = Story().started().staff("We are closed", automatic=True)
    assert folded(story.events).episodes[story.episode].first_answer_at is None


@pytest.mark.parametrize("seed", range(5))
def test_what_is_known_of_an_episode_adds_up_in_any_grouping(seed):
    rng = random.Random(seed)
    patches = [
        EpisodePatch("e", "c", cause=Cause.FLOW, started_at=BEGAN),
        EpisodePatch("e", "c", first_answer_at=BEGAN),
        EpisodePatch("e", "c", attended_at=BEGAN),
        EpisodePatch("e", "c", ended_at=BEGAN, end_cause=Cause.EXPIRED, note="n"),
    ]
    rng.shuffle(patches)
    merged = patches[0].then(patches[1]).then(patches[2].then(patches[3]))
    assert (merged.cause, merged.started_at, merged.first_answer_at, merged.note) == (Cause.FLOW, BEGAN, BEGAN, "n")


def test_a_pages_own_events_are_no_conversation():
    said = CustomerSaid(
        id="1",
        conversation="messenger:1029:_page",
        bot="shop",
        epoch=0,
        seq=1,
        at=BEGAN,
        cause_id="c",
        input=CustomerInput(text="x"),
        addressed="bot",
    )
    assert not concerns(said)


def test_entries_have_the_numbers_that_the_log_gave_them():
    story = whole_story()
    seqs = sorted(seq for _, seq in folded(story.events).entries)
    assert all(b == a + 1 for a, b in pairwise(seqs))
    assert seqs[-1] == story.seq
