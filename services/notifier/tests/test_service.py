"""E-mails from outcomes, with a real broker, database and SMTP conversation."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from notifier_world import World, certificate

from schemas.topics import OUTCOMES

ANN = "ann@example.org"
BEN = "ben@example.org"


def holding() -> tuple[asyncio.Event, Callable[[], Awaitable[None]]]:
    """A moment at which the mail server stands still for good, and the event that tells it is reached."""
    reached = asyncio.Event()

    async def hold() -> None:
        reached.set()
        await asyncio.Event().wait()

    return reached, hold


async def test_each_address_gets_one_email_of_its_own(world: World):
    await world.mail.start()
    await world.start()
    started = world.started(ANN, BEN)
    await world.publish(OUTCOMES, started)
    await world.until_state(started, ANN, "sent")
    await world.until_state(started, BEN, "sent")
    (to_ann,), (to_ben,) = world.mail.to(ANN), world.mail.to(BEN)
    assert to_ann.sender == "noreply@localhost"
    assert to_ann.message["To"] == ANN
    assert to_ann.message["Subject"] == "Mia asks for a person · Shöp & Co"
    assert "I need <help> ❤" in to_ann.message.get_body(("plain",)).get_content()
    assert "I need &lt;help&gt; ❤" in to_ann.message.get_body(("html",)).get_content()
    assert "https://chat.example.org/inbox/messenger:1029:7733" in to_ann.message.get_body(("plain",)).get_content()
    assert to_ann.message["Message-ID"] != to_ben.message["Message-ID"]


async def test_a_sent_email_keeps_its_record_but_not_the_customers_words(world: World):
    await world.mail.start()
    await world.start()
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    row = await world.until_state(started, ANN, "sent")
    assert row["started"] == ""
    assert row["note"] == "taken"
    assert row["message_id"] == world.mail.to(ANN)[0].message["Message-ID"]


async def test_a_redelivered_outcome_sends_nothing_more_even_when_it_looks_new(world: World):
    await world.mail.start()
    await world.start()
    first = world.started(ANN)
    again = world.started(ANN, episode=first.episode)  # another id, as after the deduplication's seven days
    await world.publish(OUTCOMES, first, first, again)
    await world.until_state(first, ANN, "sent")
    await world.publish(OUTCOMES, first, again)
    assert await world.stop() == 0
    await world.start()
    await world.all_taken_in()
    assert len(world.mail.to(ANN)) == 1


async def test_an_episode_that_was_over_before_the_notifier_came_back_is_recorded_and_not_mailed(world: World):
    await world.mail.start()
    answered, ended = world.started(ANN), world.started(BEN)
    await world.publish(OUTCOMES, answered, ended)
    # so many records between that the answer comes in a later batch than the request
    await world.publish(OUTCOMES, *(world.started() for _ in range(1000)))
    await world.publish(OUTCOMES, world.answered(answered), world.ended(ended))
    await world.start(CONVOBOSS_KAFKA_BATCH_RECORDS="1")
    await world.until_state(answered, ANN, "not needed")
    await world.until_state(ended, BEN, "not needed")
    await world.all_taken_in()
    assert world.mail.to(ANN) == world.mail.to(BEN) == []


async def test_an_answer_while_the_server_is_away_makes_the_email_needless(world: World):
    await world.start()
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await world.until(lambda: _attempted(world, started))
    await world.publish(OUTCOMES, world.answered(started))
    await world.until_state(started, ANN, "not needed")
    await world.mail.start()
    await world.all_taken_in()
    assert world.mail.to(ANN) == []


async def _attempted(world: World, started) -> bool:
    row = await world.row(started, ANN)
    return row is not None and row["attempts"] > 0


@pytest.mark.parametrize("moment", ["on_hello", "on_recipient"])
async def test_an_answer_while_the_server_is_talked_to_stops_the_email_at_the_last_look(world: World, moment):
    greeted, answered = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        greeted.set()
        await answered.wait()

    setattr(world.mail, moment, hold)
    await world.mail.start()
    await world.start(CONVOBOSS_MAIL_TIMEOUT="20")
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await greeted.wait()
    await world.publish(OUTCOMES, world.answered(started))
    await world.until_state(started, ANN, "not needed")
    answered.set()
    await world.all_taken_in()
    assert world.mail.to(ANN) == []


async def test_a_refused_recipient_is_recorded_and_blocks_nobody(world: World):
    world.mail.refused = {ANN}
    await world.mail.start()
    await world.start(CONVOBOSS_MAIL_PARALLEL="1")
    started = world.started(ANN, BEN)
    await world.publish(OUTCOMES, started)
    row = await world.until_state(started, ANN, "refused")
    assert row["note"] == "550 5.1.1 no such person"
    await world.until_state(started, BEN, "sent")
    assert row["attempts"] == 1


async def test_an_address_that_no_server_understands_is_refused_without_asking_one(world: World):
    await world.mail.start()
    await world.start()
    started = world.started("jürgen@example.org", BEN)
    await world.publish(OUTCOMES, started)
    await world.until_state(started, "jürgen@example.org", "refused")
    await world.until_state(started, BEN, "sent")


async def test_a_recipient_that_is_put_off_is_tried_again_and_others_do_not_wait(world: World):
    world.mail.later = {ANN}
    await world.mail.start()
    await world.start()
    started = world.started(ANN, BEN)
    await world.publish(OUTCOMES, started)
    await world.until_state(started, BEN, "sent")
    await world.until(lambda: _attempted(world, started))
    world.mail.later = set()
    row = await world.until_state(started, ANN, "sent")
    assert row["attempts"] > 1
    assert len(world.mail.to(ANN)) == 1


async def test_a_server_that_was_away_gets_what_waited(world: World):
    await world.start()
    started = world.started(ANN, BEN)
    await world.publish(OUTCOMES, started)
    await world.until(lambda: _attempted(world, started))
    await world.mail.start()
    await world.until_state(started, ANN, "sent")
    await world.until_state(started, BEN, "sent")
    assert [len(world.mail.to(address)) for address in (ANN, BEN)] == [1, 1]


async def test_killed_before_anything_left_the_email_is_sent_once(world: World):
    reached, hold = holding()
    world.mail.on_recipient = hold
    await world.mail.start()
    await world.start()
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await reached.wait()
    world.kill()
    world.mail.on_recipient = None
    await world.start()
    row = await world.until_state(started, ANN, "sent")
    await world.all_taken_in()
    assert len(world.mail.to(ANN)) == 1
    assert row["unknowns"] == 0


async def test_told_to_stop_what_was_claimed_and_not_begun_is_given_back_at_once(world: World):
    reached, hold = holding()
    world.mail.on_recipient = hold
    await world.mail.start()
    await world.start(CONVOBOSS_MAIL_TIMEOUT="60")
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await reached.wait()
    assert await world.stop() == 0
    row = await world.row(started, ANN)
    assert row is not None
    assert (row["state"], row["claim"], row["attempts"]) == ("due", None, 0)
    assert row["due_at"] <= datetime.now(UTC)


async def test_killed_while_the_server_takes_it_a_second_copy_has_the_same_message_id(world: World):
    reached, hold = holding()
    world.mail.on_data = hold
    await world.mail.start()
    await world.start()
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await reached.wait()
    world.kill()
    world.mail.on_data = None
    await world.start()
    row = await world.until_state(started, ANN, "sent")
    await world.all_taken_in()
    assert [mail.message["Message-ID"] for mail in world.mail.to(ANN)] == [row["message_id"]] * 2
    assert row["unknowns"] == 1


async def test_two_notifiers_share_the_work_and_one_that_is_killed_leaves_nothing_behind(world: World):
    await world.mail.start()
    await world.start()
    await world.start()
    episodes = [world.started(f"p{number}@example.org", conversation=f"messenger:1:{number}") for number in range(30)]
    await world.publish(OUTCOMES, *episodes[:15])
    await world.until_state(episodes[0], "p0@example.org", "sent")
    world.kill()
    await world.publish(OUTCOMES, *episodes[15:])
    for number, started in enumerate(episodes):
        await world.until_state(started, f"p{number}@example.org", "sent")
    for number in range(30):
        assert len({mail.message["Message-ID"] for mail in world.mail.to(f"p{number}@example.org")}) == 1


async def test_an_outcome_that_stays_unknown_is_tried_once_more_and_then_left_alone(world: World):
    world.mail.drop_after_data = True
    await world.mail.start()
    await world.start()
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await world.until_state(started, ANN, "uncertain")
    world.mail.drop_after_data = False
    await world.all_taken_in()
    assert [mail.message["Message-ID"] for mail in world.mail.to(ANN)] == [
        world.mail.to(ANN)[0].message["Message-ID"]
    ] * 2


async def test_the_mail_servers_password_is_never_logged(world: World):
    await world.mail.start()
    await world.start(CONVOBOSS_SMTP_URL=f"smtp://ann:hunter-two@127.0.0.1:{world.mail.port}")
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await world.until(lambda: _attempted(world, started))
    assert await world.stop() == 0
    assert "e-mail was not sent" in world.log
    assert "hunter-two" not in world.log
    assert "I need" not in world.log


@pytest.mark.parametrize("mode", ["smtps", "smtp+starttls"])
async def test_mail_goes_over_tls_with_a_login_and_not_to_a_server_that_cannot_prove_who_it_is(
    world: World, mode, tmp_path
):
    context, trusted = certificate(tmp_path)
    if mode == "smtps":
        world.mail.tls = context
    else:
        world.mail.starttls = context
    world.mail.login = ("ann", "hunter/two")
    await world.mail.start()
    url = f"{mode}://ann:hunter%2Ftwo@127.0.0.1:{world.mail.port}"
    started = world.started(ANN)
    await world.publish(OUTCOMES, started)
    await world.start(CONVOBOSS_SMTP_URL=url)
    await world.until(lambda: _attempted(world, started))
    assert await world.stop() == 0
    assert world.mail.mails == []
    await world.start(CONVOBOSS_SMTP_URL=url, SSL_CERT_FILE=str(trusted))
    await world.until_state(started, ANN, "sent")
    assert len(world.mail.to(ANN)) == 1
    assert "hunter" not in world.log
