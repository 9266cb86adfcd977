"""Until when an answer may go out: what opens the window anew, who is refused after it, and what the sender is told."""

from datetime import timedelta

import pytest
from takeover_world import World, bot_settings

from schemas.commands import PassThread, SendMessage
from schemas.conversations import CommandSuppressed, CustomerReacted, CustomerReferred, MessageRefused
from schemas.messages import Media, Referral
from schemas.outcomes import (
    CommandAccepted,
    CommandRefused,
    CustomerReturned,
    CustomerSaid,
    DeliveryChanged,
    MessageReacted,
)
from schemas.window import CLOSED, CLOSED_FOR_ALL, NO_HUMAN_AGENT

DAY = 24 * 3600
WEEK = 7 * DAY


def without_tag():
    settings = bot_settings()
    channels = tuple(channel.changed(human_agent=False) for channel in settings.messenger)
    return settings.changed(messenger=channels)


@pytest.mark.parametrize(("seconds", "settings"), [(WEEK, None), (DAY, without_tag)])
def test_a_reply_after_the_window_changes_nothing_and_says_why(seconds, settings):
    world = World(settings() if settings else None).bot_has()
    world.wait(seconds)
    before = world.state
    world.replies(force=True)
    refused = world.one(CommandRefused)
    assert refused.code == "window_closed"
    assert refused.reason == (NO_HUMAN_AGENT if settings else CLOSED_FOR_ALL)
    assert world.of(SendMessage) == []
    assert (world.state.owner, world.state.epoch, world.state.seq) == (before.owner, before.epoch, before.seq)


@pytest.mark.parametrize("seconds", [0, DAY - 60, DAY, WEEK - 60])
def test_within_it_a_reply_is_taken_and_the_sender_is_told_of_the_customers_act(seconds):
    world = World().bot_has()
    acted_at = world.state.acted_at
    world.wait(seconds).replies()
    assert world.one(CommandAccepted)
    assert world.one(SendMessage).acted_at == acted_at


def test_the_act_counts_by_the_channels_time_and_never_after_its_place_in_the_log():
    world = World()
    world.says(occurred_at=world.now - timedelta(hours=2))
    assert world.one(CustomerSaid).acted_at == world.state.acted_at == world.now - timedelta(hours=2, milliseconds=1)
    at = world.now
    world.says(occurred_at=world.now + timedelta(days=3))
    assert world.state.acted_at == at


def test_an_older_act_that_comes_late_shortens_nothing():
    world = World().bot_has()
    acted_at = world.state.acted_at
    world.says(occurred_at=world.now - timedelta(days=3))
    assert world.state.acted_at == acted_at


@pytest.mark.parametrize(
    ("act", "opens"),
    [
        (lambda world: CustomerReacted(**world.common("r"), mid="m", action="react", reaction="love"), True),
        (lambda world: CustomerReacted(**world.common("r"), mid="m", action="unreact"), False),
        (lambda world: CustomerReferred(**world.common("r"), referral=Referral(ref="x")), True),
    ],
)
def test_a_reaction_and_a_return_open_it_again_and_a_taken_back_reaction_does_not(act, opens):
    world = World().bot_has()
    world.wait(WEEK)
    at = world.now
    world.fold(act(world))
    told = [*world.of(MessageReacted), *world.of(CustomerReturned)]
    assert (told[0].acted_at == at) is opens
    world.replies()
    assert bool(world.of(CommandAccepted)) is opens


def test_staffs_echo_opens_nothing():
    world = World().bot_has()
    acted_at = world.state.acted_at
    world.wait(60).staff_replies()
    assert world.state.acted_at == acted_at


def test_a_file_alone_is_a_reply():
    world = World().requested()
    world.replies("", media=Media(kind="image", url="https://x.example/a.png"))
    assert world.one(SendMessage).message.media.url == "https://x.example/a.png"
    assert world.state.recent[-1].text == "[image]"


def test_a_bots_message_that_came_too_late_is_suppressed_with_the_reason_and_what_it_carried_is_done():
    world = World().requested()
    goodbye = world.all(SendMessage)[-1]
    assert goodbye.then_pass
    world.fold(
        CommandSuppressed(**world.common("s"), command=goodbye.id, epoch=goodbye.epoch, seq=goodbye.seq, reason=CLOSED)
    )
    changed = world.one(DeliveryChanged)
    assert (changed.state, changed.reason) == ("suppressed", CLOSED)
    assert world.one(PassThread)


def test_a_refusal_leaves_the_takeover_as_it_is_and_says_what_can_be_done():
    world = World().requested()
    world.replies()
    command = world.one(SendMessage)
    episode = world.state.episode
    world.fold(
        MessageRefused(
            **world.common("r"),
            command=command.id,
            epoch=command.epoch,
            seq=command.seq,
            kind="permanent",
            code=100,
            subcode=2018109,
            reason="The attachment is larger than 25 MB.",
            next_step="smaller_file",
        )
    )
    changed = world.one(DeliveryChanged)
    assert (changed.state, changed.next_step) == ("not_delivered", "smaller_file")
    assert world.state.episode == episode
