"""The stories whose logs are kept in `golden/`: who does what, and when. Told once; afterwards the log is the truth."""

from collections.abc import Callable
from typing import Final

from takeover_world import ANA, APP, BEN, INBOX, World, bot_settings

from schemas.bots import TakeoverSettings
from schemas.commands import ExtendThread, PassThread, ReadThread, SendMessage, TakeThread
from schemas.conversations import (
    ChannelFact,
    CommandSuppressed,
    CustomerDeleted,
    CustomerEdited,
    CustomerReacted,
    CustomerReferred,
    DelayElapsed,
    ErasureAsked,
    ReadOverdue,
    Receipt,
    ThreadExtended,
    ThreadOwnerRead,
    ThreadRefused,
    TurnFailed,
    TurnOverdue,
    TurnStarted,
)
from schemas.messages import Referral
from schemas.sessions import Session
from takeover.timers import timers

Story = Callable[[], World]
STORIES: Final[dict[str, Story]] = {}


def story(told: Story) -> Story:
    STORIES[told.__name__.replace("_", "-")] = told
    return told


def fire(world: World, kind: str) -> World:
    """A timer of the row, when it is due."""
    timer = timers(world.state)[kind]
    world.now = max(world.now, timer.due_at)
    world.fold(timer.event)
    return world


def owner_read(world: World, owner: str | None) -> World:
    command = world.all(ReadThread)[-1]
    world.fold(ThreadOwnerRead(**world.common("r"), command=command.id, epoch=command.epoch, known=True, owner=owner))
    return world


@story
def a_question_is_answered_by_the_bot() -> World:
    """The first message waits for the customer's name; the next for the turn that is out; a receipt is nobody's."""
    world = World(known=False)
    world.says("hi")
    world.wait(0.4).named()
    world.wait(1).says("are you open?")
    world.wait(0.5).answers("Hi Mia!")
    world.facebook_does_all()
    world.fold(ChannelFact(**world.common("f"), kind="read", raw={"read": {"watermark": 1}}))
    world.staff_replies("Hi Mia!", app_id=APP)
    world.wait(1).answers("Until six.", "Shall I book?")
    return world.facebook_does_all()


@story
def messages_are_edited_taken_back_seen_and_answered_with_a_heart() -> World:
    """What waits is answered as it reads now, what was taken back not at all; receipts that say nothing new are not told."""
    world = World()
    world.says("hi", mid="m_1")
    world.says("Saturday?", mid="m_2")
    world.says("my number is 1234", mid="m_3")
    world.fold(CustomerEdited(**world.common("e"), mid="m_2", text="Sunday?", number=1))
    world.fold(CustomerDeleted(**world.common("e"), mid="m_3"))
    world.wait(1).answers("Hi Mia!")
    world.facebook_does_all()
    seen = world.now
    world.wait(1).fold(Receipt(**world.common("e"), state="delivered", until=seen))
    world.fold(Receipt(**world.common("e"), state="seen", until=seen))
    world.fold(Receipt(**world.common("e"), state="seen", until=seen))
    world.fold(CustomerReacted(**world.common("e"), mid="mid-4", action="react", reaction="love", emoji="\u2764"))
    world.staff_replies("Hi Mia!", app_id=None, mid="mid-4")
    world.wait(1).answers("Sunday at ten is free.")
    world.facebook_does_all()
    world.wait(90_000).fold(CustomerReferred(**world.common("e"), referral=Referral(ref="spring", source="SHORTLINK")))
    return world


@story
def a_person_is_asked_for_and_the_wait_expires() -> World:
    """The block's own expiry; silence; the customer's next message goes on at the port `expired`."""
    world = World()
    world.says("a person, please")
    world.wait(1).asks_person("One moment.", auto_return=300)
    world.facebook_does_all()
    world.wait(60).says("hello?", channel="standby")
    fire(world, "expiry")
    world.facebook_does_all()
    world.wait(600).says("nobody there?")
    world.answers("I am here.")
    return world


@story
def an_operator_takes_up_a_request_answers_and_hands_back() -> World:
    """The default expiry from the taking up, anew from the first message; control is taken and passed again; a note."""
    world = World().requested(auto_return=300).facebook_does_all()
    world.wait(120).takes_over()
    world.wait(30).replies("Hello Mia, Ana here.")
    world.facebook_does_all()
    world.wait(20).says("hi Ana", channel="standby")
    world.wait(20).replies("Booked for ten.")
    world.facebook_does_all()
    world.wait(5).hands_back(note="booked")
    world.facebook_does_all()
    world.answers("Anything else?")
    return world


@story
def the_customer_goes_back_to_the_bot() -> World:
    """By the button, by its text in another case; the button of an ended episode is recorded only."""
    world = World().requested().facebook_does_all()
    old = world.state.episode.id
    world.wait(20).clicks_back()
    world.facebook_does_all()
    world.answers("What else?")
    world.wait(20).clicks_back(old)
    world.wait(5).requested(back_to_bot_message="")
    world.wait(5).says("Back to bot, please")
    world.wait(5).says("  BACK to bot ")
    return world


@story
def a_takeover_meets_a_bot_that_is_thinking() -> World:
    """The turn that is out is void, its words are recorded and not said; `Silence` stops what is under way."""
    world = World(bot_settings(notification=False))
    world.says("hi")
    asked = world.turn()
    world.says("and one more")
    world.wait(0.3).takes_over()
    world.wait(0.2).answers("Hi, I am the bot.", turn=asked)
    world.wait(5).says("who is there?")
    world.replies("Ana.")
    world.wait(5).hands_back(mode="restart")
    world.answers("Welcome!", turn=asked)
    world.answers("Welcome!")
    return world


@story
def two_operators_and_stale_pages() -> World:
    """Held, newer, changed, bot_answered_since: each refusal says who has it and since when; force wins."""
    world = World().requested()
    world.takes_over(ANA)
    page = {"epoch": world.state.epoch, "seq": world.state.seq}
    world.wait(5).takes_over(BEN)
    world.replies("Ben here", who=BEN)
    world.wait(5).takes_over(BEN, force=True)
    world.replies("Ben here", who=BEN)
    world.wait(5).replies("Ana again", who=ANA, force=True)
    world.wait(5).replies("and I", who=BEN, **page)
    world.wait(5).takes_over(BEN, force=True)
    world.replies("and I", who=BEN, **page)
    world.wait(5).hands_back(ANA)
    world.answers("The bot speaks.")
    world.wait(5).replies("I was typing", who=BEN, **page)
    world.hands_back(BEN)
    world.takes_over(BEN, epoch=page["epoch"])
    world.wait(5).replies("I was typing", who=BEN, **page, force=True)
    return world


@story
def refused_for_what_they_say() -> World:
    """Each names its field, and nothing changes."""
    world = World().bot_has()
    world.sets_expiry(expiry=60)
    world.takes_over(epoch=9)
    world.takes_over(expiry=60, no_expiry=True)
    world.requested()
    world.sets_expiry(deadline=world.now.replace(year=2025))
    world.sets_expiry(deadline=world.now.replace(year=2036))
    world.replies("  ")
    world.replies("from the future", seq=999)
    world.hands_back(epoch=0)
    return world


@story
def every_response_starts_the_expiry_anew() -> World:
    """Where the bot's setting says so; a time that an operator set keeps its length; then nobody answers."""
    world = World(bot_settings(takeover=TakeoverSettings(default_session_expiry=600, counts_from="every response")))
    world.bot_has()
    world.takes_over()
    world.wait(300).replies("one")
    world.wait(300).replies("two")
    world.wait(10).sets_expiry(expiry=1200)
    world.wait(600).replies("three")
    world.wait(10).sets_expiry()
    world.wait(100).replies("four")
    world.wait(10).sets_expiry(expiry=60)
    return fire(world, "expiry")


@story
def an_answer_in_time_beats_a_late_timer() -> World:
    """The reply stands in the log before the deadline; the timer comes ten minutes after it and is void."""
    world = World().requested(auto_return=60)
    late = timers(world.state)["expiry"].event
    world.wait(59).replies("In time.")
    world.wait(600).fold(late)
    fire(world, "expiry")
    world.fold(late)
    return world


@story
def staff_answer_in_the_page_inbox() -> World:
    """Their echo takes the conversation; automatic texts and other bots do not; Move to Done gives it back."""
    world = World().bot_has()
    world.wait(5).staff_replies("We are closed.", app_id=None)
    world.staff_replies("beep", app_id="888")
    world.wait(5).staff_replies("Hi, this is the salon.")
    world.wait(60).says("oh, hello", channel="standby")
    world.wait(60).staff_replies("At ten?")
    world.wait(60).moved_to_done()
    world.answers("Bye")
    return world


@story
def moves_between_main_and_done() -> World:
    """Move to Main takes it; an operator takes it from staff; Done under a working operator is only shown."""
    world = World().bot_has()
    world.wait(20).moved_to_main()
    world.wait(60).replies("Ana takes it from here")
    world.facebook_does_all()
    world.wait(60).staff_replies("no, we do")
    world.wait(60).takes_over(ANA)
    world.wait(60).moved_to_done()
    world.facebook_does_all()
    world.wait(5).thread("request", requested_owner=INBOX)
    world.facebook_does_all()
    world.wait(60).moved_to_done()
    return world


@story
def done_without_a_signal() -> World:
    """The customer writes to us though the Page Inbox should have the thread: asked, held, and answered four ways."""
    world = World().requested(auto_return=None).facebook_does_all()
    world.wait(30).says("still theirs?")
    owner_read(world, INBOX)
    world.wait(30).says("nobody tells?")
    fire(world, "thread")
    world.wait(90_000).says("free by time?")
    owner_read(world, None)
    world.facebook_does_all()
    world.wait(30).says("ours?")
    owner_read(world, APP)
    world.answers("Welcome back")
    return world


@story
def a_takeover_lasts_for_days() -> World:
    """Control of what is ours is extended before Facebook frees it, to the time when nobody may write any more."""
    world = World(bot_settings(notification=False, takeover=TakeoverSettings(default_session_expiry=None))).bot_has()
    world.wait(3600).takes_over()
    fire(world, "check")
    extended(world)
    fire(world, "check")
    world.wait(2 * 24 * 3600).says("Still there?")
    fire(world, "check")
    extended(world)
    fire(world, "check")
    fire(world, "check")
    return world


def extended(world: World) -> None:
    command = world.all(ExtendThread)[-1]
    fields = {"command": command.id, "epoch": command.epoch, "seconds": command.seconds}
    world.fold(ThreadExtended(**world.common("r"), **fields))


@story
def it_rests_in_main_for_days() -> World:
    """Nobody but the Page Inbox can extend its control: when its time is over the owner is read, and a free thread passed anew."""
    world = World(bot_settings(takeover=TakeoverSettings(default_session_expiry=None)))
    world.requested(auto_return=None).facebook_does_all()
    fire(world, "check")
    fire(world, "check")
    owner_read(world, INBOX)
    fire(world, "check")
    fire(world, "check")
    owner_read(world, None)
    world.facebook_does_all()
    world.wait(60).hands_back()
    return world


@story
def control_does_not_come_back() -> World:
    """A take is refused at the end: it is told with the reason, and the owner is read. The next operator tries once more."""
    world = World(bot_settings(notification=False)).bot_has()
    world.wait(60).moved_to_main()
    world.wait(60).hands_back()
    taken = world.all(TakeThread)[-1]
    fields = {"command": taken.id, "epoch": taken.epoch, "action": "take", "code": 200}
    world.fold(ThreadRefused(**world.common("r"), **fields, reason="The page does not allow this app to take control."))
    owner_read(world, INBOX)
    world.wait(60).replies("Ana here.")
    return world


@story
def there_is_no_way_back() -> World:
    """Without a default app nothing is passed away, and what staff took stays theirs at the end: it is told why."""
    world = World(bot_settings(default_app=False)).bot_has()
    world.wait(60).moved_to_main()
    world.wait(60).takes_over()
    world.wait(60).hands_back()
    world.wait(60).says("hello?")
    return world


@story
def a_send_is_refused() -> World:
    """The first of the epoch reads the thread's owner: the Page Inbox has it, so staff do. Others only mark their message."""
    world = World().bot_has()
    world.answers("again")
    first = world.all(SendMessage)[0]
    world.wait(1).refused(first)
    world.refused(first)
    owner_read(world, INBOX)
    world.wait(60).replies("Ana")
    world.refused(world.all(SendMessage)[-1], kind="permanent")
    passed = world.all(PassThread)[-1]
    fields = {"command": passed.id, "epoch": passed.epoch}
    world.fold(ThreadRefused(**world.common("r"), **fields, action="pass", code=100, reason="no receiver"))
    taken_back = world.all(SendMessage)[-1]
    world.fold(
        CommandSuppressed(**world.common("r"), command=taken_back.id, epoch=taken_back.epoch, seq=taken_back.seq)
    )
    return world


@story
def a_turn_crashes_three_times_and_another_fails() -> World:
    """Asked again under the same id, begun three times and never finished: the fallback text and a person."""
    world = World()
    world.says("crash me")
    world.says("and me")
    for attempt in range(1, 5):
        turn = world.turn()
        if attempt > 1:
            world.fold(TurnStarted(**world.common("s"), turn=turn.turn, epoch=turn.epoch, attempt=attempt))
        fire(world, "turn")
    world.fold(TurnOverdue(**world.common("o"), turn=world.turn().turn, attempt=4))
    world.wait(60).hands_back()
    world.says("once more")
    turn = world.turn()
    world.fold(TurnFailed(**world.common("f"), turn=turn.turn, epoch=turn.epoch, reason="no such block"))
    fire(world, "expiry")
    return world


@story
def a_delay_runs_out_and_another_is_cut_short() -> World:
    world = World()
    world.says("hi")
    turn = world.turn().turn
    world.answers("Wait.", session=Session(flow="salon@1", at="pause", waits_for="delay", delay_turn=turn), delay=60)
    fire(world, "delay")
    again = world.turn().turn
    world.answers("More.", session=Session(flow="salon@1", at="pause", waits_for="delay", delay_turn=again), delay=60)
    world.wait(30).takes_over()
    world.wait(60).fold(DelayElapsed(**world.common("d"), epoch=0, turn=again))
    return world


@story
def assigned_transferred_and_a_closed_account() -> World:
    """With the bot a note; in an episode the holder; a closed account's conversations wait for somebody."""
    world = World().bot_has()
    world.assigns(ANA, to=BEN)
    world.wait(5).requested(auto_return=300)
    world.wait(5).replies("Ana is quicker", who=ANA)
    world.wait(5).assigns(BEN, to=BEN)
    world.wait(5).assigns(ANA, to=BEN)
    world.wait(5).is_deactivated(BEN)
    world.wait(5).takes_over(ANA)
    world.hands_back(ANA, mode="close")
    world.assigns(ANA, to=BEN)
    world.is_deactivated(BEN)
    return world


@story
def what_comes_late_changes_nothing() -> World:
    """Reordered thread facts, catch-up from before an episode's end, and what is older than deduplication remembers."""
    world = World().bot_has()
    world.wait(60).staff_replies("Hi")
    before = world.now
    world.wait(60).moved_to_done()
    world.wait(1).thread("take", new_owner=INBOX, previous_owner=APP, occurred_at=before)
    world.staff_replies("An earlier one", occurred_at=before, caught_up=True)
    world.says("An earlier question", occurred_at=before, caught_up=True)
    week = before.replace(day=before.day + 9)
    world.now = week
    world.says("Nine days old", occurred_at=before)
    world.fold(ReadOverdue(**world.common("o"), command="messenger:1001:7001!1"))
    world.says("A new question")
    return world


@story
def silent_expiry_then_the_back_to_bot_message() -> World:
    """Where the setting says so, it comes before the bot's first answer. Without a default app nothing is passed."""
    takeover = TakeoverSettings(default_session_expiry=600, back_to_bot_message="Bot again.", say_after_expiry=True)
    world = World(bot_settings(takeover=takeover, default_app=False)).bot_has()
    world.takes_over()
    world.wait(599).says("are you there?")
    fire(world, "expiry")
    world.wait(60).says("hello?")
    world.answers("Hello!")
    return world


@story
def a_customer_is_forgotten() -> World:
    """Profile, texts and what waits go; who had it and why stays."""
    world = World().requested()
    world.replies("Ana")
    world.says("my number is 12345", channel="standby")
    world.fold(ErasureAsked(**world.common("z"), by="ops"))
    world.hands_back()
    return world
