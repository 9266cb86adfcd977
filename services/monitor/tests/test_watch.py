"""What is found in conversations, in whatever order the three topics are read."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_story import TOPICS, Story

from monitor.watch import MAX_LINES, Drift, Finding, LetGo, Silent, Stopped, TwoVoices, Watch
from schemas.handover import Cause
from schemas.messages import Speaker
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES

PEOPLE = (Cause.OPERATOR, Cause.PAGE_INBOX)
ORDERS = [list(order) for order in itertools.permutations(TOPICS)]
"""Each topic as a whole before the next: as far apart as they can be."""


def two_voices(found: list[Finding]) -> list[TwoVoices]:
    return [each for each in found if isinstance(each, TwoVoices)]


def everywhere(story: Story) -> list[tuple[Watch, list[Finding]]]:
    """As it was written, and with the topics one after the other in all ways."""
    whole = [[topic for topic in order for _ in story.of(topic)] for order in ORDERS]
    return [story.as_written(), *(story.read(order) for order in whole)]


# --- what is as it should be


def test_a_reply_leaves_nothing_behind():
    story = Story()
    for _ in range(3):
        story.report(story.says())
    for watch, found in everywhere(story):
        assert watch.is_nothing
        assert found == []


def test_what_was_said_before_a_takeover_and_after_its_end_is_one_voice():
    story = Story()
    before, goodbye = story.says(), story.says()
    story.begins(Cause.FLOW)
    story.report(before)
    story.report(goodbye)
    story.report(story.says(Speaker.OPERATOR))
    story.ends()
    story.report(story.says())
    for watch, found in everywhere(story):
        assert watch.is_nothing
        assert found == []


def test_a_fallback_text_stands_before_the_takeover_it_leads_to():
    story = Story()
    fallback = story.says()
    story.begins(Cause.FAULT)
    story.report(fallback)
    assert all(two_voices(found) == [] for _, found in everywhere(story))


def test_a_message_that_was_being_sent_when_a_person_took_over_may_still_arrive_before_the_person_speaks():
    story = Story()
    late = story.says()
    story.begins(Cause.OPERATOR)
    person = story.says(Speaker.OPERATOR)
    story.report(late)
    story.report(person)
    assert all(two_voices(found) == [] for _, found in everywhere(story))


def test_a_takeover_that_is_over_is_kept_until_all_commands_before_its_end_were_read():
    story = Story()
    story.begins(Cause.OPERATOR)
    story.ends()
    watch, _ = story.as_written()
    assert (watch.is_nothing, watch.is_quiet, watch.is_open) == (False, True, False)
    story.report(story.says())
    watch, _ = story.as_written()
    assert watch.is_nothing


# --- what must not be: each counts once, in every order


def commanded_in_an_episode(story: Story) -> None:
    story.begins(Cause.OPERATOR)
    story.report(story.says(epoch=1))


def commanded_behind_the_beginning_under_the_old_epoch(story: Story) -> None:
    story.begins(Cause.OPERATOR)
    story.report(story.says(epoch=0))


def commanded_before_the_end_under_the_next_epoch(story: Story) -> None:
    story.begins(Cause.FLOW)
    story.report(story.says(epoch=2))
    story.ends()
    story.report(story.says())


def commanded_under_an_epoch_that_never_came(story: Story) -> None:
    story.begins(Cause.FLOW)
    story.report(story.says(epoch=2))


def commanded_in_an_episode_and_silenced(story: Story) -> None:
    story.begins(Cause.FLOW)
    story.report(story.says(), "suppressed")
    story.ends()


def commanded_before_the_beginning_under_its_epoch(story: Story) -> None:
    story.report(story.says(epoch=1))
    story.begins(Cause.FLOW)


def commanded_behind_the_end_under_the_takeovers_epoch(story: Story) -> None:
    story.begins(Cause.FLOW)
    story.ends()
    story.report(story.says(epoch=1))


def commanded_behind_the_end_under_the_epoch_before(story: Story) -> None:
    story.begins(Cause.FLOW)
    story.ends()
    story.report(story.says(epoch=0))


def left_after_a_person_spoke(story: Story) -> None:
    late = story.says()
    story.begins(Cause.OPERATOR)
    story.report(story.says(Speaker.OPERATOR))
    story.report(late)


def left_after_a_person_spoke_and_the_end(story: Story) -> None:
    late = story.says()
    story.begins(Cause.PAGE_INBOX)
    story.report(story.says(Speaker.OPERATOR))
    story.ends()
    story.report(late)
    story.report(story.says())


PLANTED = [
    commanded_in_an_episode,
    commanded_behind_the_beginning_under_the_old_epoch,
    commanded_before_the_end_under_the_next_epoch,
    commanded_under_an_epoch_that_never_came,
    commanded_in_an_episode_and_silenced,
    commanded_before_the_beginning_under_its_epoch,
    commanded_behind_the_end_under_the_takeovers_epoch,
    commanded_behind_the_end_under_the_epoch_before,
    left_after_a_person_spoke,
    left_after_a_person_spoke_and_the_end,
]


@pytest.mark.parametrize("plant", PLANTED)
def test_two_voices_are_counted_once_in_whatever_order_the_topics_are_read(plant):
    story = Story()
    story.report(story.says())
    plant(story)
    for _, found in everywhere(story):
        (voices,) = two_voices(found)
        assert voices.reason == ("sent" if plant.__name__.startswith("left") else "commanded")
        assert voices.episode in {f"{story.conversation}/1", ""}


def test_a_message_that_is_wrong_in_two_ways_is_one():
    story = Story()
    story.begins(Cause.OPERATOR)
    late = story.says()
    story.report(story.says(Speaker.OPERATOR))
    story.report(late)
    assert all(len(two_voices(found)) == 1 for _, found in everywhere(story))


# --- any conversation, any order


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """As the switch and fb-handover write them: in order, one message after the other, silenced by people."""
    story = Story()
    story.report(story.says()) if draw(st.booleans()) else None
    for _ in range(draw(st.integers(0, 14))):
        moves = ["bot" if not story.is_open else "person", "settle", "settle", "stop" if story.is_open else "settle"]
        moves.append("end" if story.is_open else "begin")
        match draw(st.sampled_from(moves)):
            case "bot":
                story.says()
            case "person":
                story.says(Speaker.OPERATOR)
            case "begin":
                story.begins(draw(st.sampled_from([Cause.FLOW, Cause.FAULT, *PEOPLE])))
            case "end":
                story.ends()
            case "stop":
                story.stops()
            case _ if story.unsettled:
                settle(story, draw(st.sampled_from(["sent", "sent", "refused"])))
    while story.unsettled and draw(st.integers(0, 9)):
        settle(story, "sent")
    return story


def settle(story: Story, state: str) -> None:
    """The first that is under way; one of the bot's that a person's Silence met may be stopped instead."""
    first = story.unsettled[0]
    met = first.speaker is Speaker.BOT and first.epoch < story.epoch and story.cause in PEOPLE
    story.report(first, "suppressed" if met and first.seq % 2 else state)


ORDER = st.lists(st.sampled_from(TOPICS), max_size=60)


@settings(max_examples=150, deadline=None)
@given(stories(), ORDER)
def test_no_order_of_reading_makes_two_voices_of_one_or_changes_what_is_found(story, order):
    _, expected = story.as_written()
    watch, found = story.read(order)
    assert two_voices(found) == two_voices(expected) == []
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    if not story.unsettled and not story.is_open:
        assert watch.lines == ()


@settings(max_examples=150, deadline=None)
@given(stories(), st.sampled_from(PLANTED), ORDER)
def test_no_order_of_reading_hides_two_voices(story, plant, order):
    while story.unsettled:
        settle(story, "sent")
    if story.is_open:
        story.ends()
    shifted = Story(
        conversation=story.conversation,
        epoch=story.epoch,
        seq=story.seq,
        seconds=story.seconds,
        count=story.count,
        records=story.records,
    )
    relative(shifted, plant)
    _, found = shifted.read(order)
    assert len(two_voices(found)) == 1


def relative(story: Story, plant) -> None:
    """The planted fault names epochs from 0: here they count from what the story has come to."""
    first, says = story.epoch, story.says

    def shifted(speaker: Speaker = Speaker.BOT, **more: int):
        return says(speaker, **{name: value + first for name, value in more.items()})

    story.says = shifted  # type: ignore[method-assign]
    plant(story)


# --- the measures


def test_the_bot_is_silent_at_once_where_nothing_left_after_the_takeover():
    story = Story()
    story.report(story.says())
    story.begins(Cause.OPERATOR)
    for _, found in everywhere(story):
        assert found == [Silent(0.0)]


def test_the_bot_is_silent_when_the_last_message_that_was_under_way_has_left():
    story = Story()
    first, second, third = story.says(), story.says(), story.says()
    story.report(first)
    story.begins(Cause.OPERATOR)
    story.report(second)
    story.report(third, "suppressed")
    for _, found in everywhere(story):
        assert [each for each in found if isinstance(each, Silent)] == [Silent(1.0)]


def test_only_operators_takeovers_are_measured():
    story = Story()
    for cause in (Cause.FLOW, Cause.PAGE_INBOX):
        story.begins(cause)
        story.ends()
    assert all(found == [] for _, found in everywhere(story))


@pytest.mark.parametrize("cause", [Cause.FLOW, Cause.OPERATOR, Cause.PAGE_INBOX, Cause.FAULT])
def test_a_stopped_answer_is_counted_by_the_cause_of_the_takeover(cause):
    story = Story()
    story.begins(cause)
    story.stops()
    for _, found in everywhere(story):
        assert [each for each in found if isinstance(each, Stopped)] == [Stopped(cause.value)]


def test_an_answer_that_came_when_the_takeover_was_over_or_for_the_second_time_says_so():
    story = Story()
    story.begins()
    story.ends()
    story.stops()
    story.epoch += 1  # so that `stops` names the present one
    story.write(OUTCOMES, story.records[-1].event.changed(id="again", turn_epoch=2, epoch=2, episode=None))
    _, found = story.as_written()
    assert found == [Stopped("ended"), Stopped("repeated")]


def test_a_command_that_a_silence_met_is_a_stopped_answer():
    story = Story()
    late = story.says()
    story.begins(Cause.PAGE_INBOX)
    story.report(late, "suppressed")
    assert all(found == [Stopped("silence")] for _, found in everywhere(story))


def test_a_timers_drift_is_its_place_in_the_log_less_the_deadline():
    story = Story()
    story.expires(late=2.5)
    assert story.as_written() == (Watch(), [Drift(2.5)])


def test_a_customer_waits_from_the_takeover_until_somebody_takes_it_up():
    story = Story()
    story.begins(Cause.FLOW)
    assert story.as_written()[0].waiting_since == story.at
    story.answers()
    assert story.as_written()[0].waiting_since is None


# --- bounds


def test_what_is_under_way_in_one_conversation_is_bounded_and_what_is_let_go_is_counted():
    story = Story()
    for _ in range(MAX_LINES + 3):
        story.says()
    watch, found = story.as_written()
    assert len(watch.lines) == MAX_LINES
    assert sum(each.count for each in found if isinstance(each, LetGo)) == 3


def test_reports_of_commands_from_before_the_topics_beginning_go_with_the_next_command():
    story = Story()
    story.report(story.says())
    story.records = [each for each in story.records if each.topic != MESSENGER_COMMANDS]
    story.report(story.says())
    watch, found = story.read([CONVERSATIONS, CONVERSATIONS, OUTCOMES, OUTCOMES, MESSENGER_COMMANDS])
    assert (watch.is_nothing, found) == (True, [])


def test_a_second_report_of_a_message_does_not_make_it_leave_later():
    story = Story()
    late = story.says()
    story.report(late)
    story.begins(Cause.OPERATOR)
    story.report(story.says(Speaker.OPERATOR))
    story.report(late)
    story.report(story.says(Speaker.OPERATOR))
    watch, found = story.as_written()
    assert two_voices(found) == []
    assert watch.lines == ()
