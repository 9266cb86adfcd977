"""The rules of ownership: for every event, in the order of the log, who has the conversation and what may be said.

`decide` is pure: no clock, no I/O; time is the log's. State = fold(decide, log), so folding again gives the same answer.
Each rule below is a row of the table in docs/ownership.md; inside a rule the cases stand in the order bot, requested, attended.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.base import ConversationEvent, ConversationId
from schemas.bots import BotSettings, MessengerChannel
from schemas.commands import Erase
from schemas.conversations import (
    ChannelFact,
    CommandSuppressed,
    CustomerDeleted,
    CustomerEdited,
    CustomerMessage,
    CustomerReacted,
    CustomerReferred,
    DelayElapsed,
    Echo,
    ErasureAsked,
    MessageRefused,
    MessageSent,
    OperatorAssigns,
    OperatorCommand,
    OperatorDeactivated,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
    PolicyEnforced,
    ProfileRead,
    ReadOverdue,
    Receipt,
    SessionExpired,
    TakeoverRequested,
    ThreadCheckDue,
    ThreadControl,
    ThreadExtended,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
    TurnCompleted,
    TurnFailed,
    TurnOverdue,
    TurnStarted,
)
from schemas.handover import BACK_PAYLOAD, MAX_RETURN, Cause, back_payload
from schemas.messages import CustomerInput, Person, Profile, Said, Speaker
from schemas.outcomes import (
    AssignmentChanged,
    CommandAccepted,
    CommandRefused,
    ConversationErased,
    CustomerKnown,
    CustomerReturned,
    CustomerSaid,
    DeliveryChanged,
    MessageDeleted,
    MessageEdited,
    MessageReacted,
    MessagesReceived,
    StaffSaid,
    ThreadChanged,
)
from schemas.turns import TurnInput
from takeover.effects import Decision
from takeover.state import Conversation, QueuedInput
from takeover.step import OTHER_APP, SHORT, Step, customer_input

TOO_OLD = timedelta(days=7)  # the dedup window: what is older only goes to the transcript
MAX_AHEAD = timedelta(seconds=MAX_RETURN)
SETTLED = timedelta(seconds=10)  # after a confirmed change, a message's channel may still be the one before it
CRASHES = 3  # turns begun and not finished
ACTS = frozenset({CustomerMessage, CustomerReacted, CustomerReferred})  # what keeps the window for answers open
MAX_HELD = 20  # messages that wait for the thread's owner; more are the person's at once
NOTHING = CustomerInput()
"""What is left of a message that was taken back. The channel tells of no message that says nothing."""


def decide(state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings) -> Decision:
    """What `event`, appended to the log at `at`, does to `state` under the settings in force."""
    if is_for_the_record(state, event, at, settings):
        return Decision(state.moved_to(at), ())
    return by_rules(state, event, at, settings)


def is_for_the_record(state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings) -> bool:
    """Whether by the rules nothing moves but the time. Nearly half of a log is receipts and our own echoes: these are told

    before a step is begun for them. False is always right, it is the longer way to the same decision.
    """
    deadline = state.episode.deadline if state.episode is not None else None
    if state.held or (deadline is not None and deadline <= state.later(at)):
        return False
    if type(event) is ChannelFact:
        return True
    if type(event) is Receipt:
        return not tells_more(state, event)
    if type(event) is not Echo or (state.profile is None and state.naming is None):
        return False
    channel = settings.channel(ConversationId.parse(state.id).account)
    return channel is not None and is_ours(state, event, channel)


def by_rules(state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings) -> Decision:
    """The decision, by the row of the event's type."""
    step = Step(state, event, at, settings)
    step.expire()
    give_back_held(step)
    if type(event) in ACTS and getattr(event, "action", "react") == "react":
        step.acted()
    RULES[type(event)](step, event)
    give_back_held(step)
    after_an_end(step)
    return step.done()


def after_an_end(step: Step) -> None:
    """An event that came just behind an episode's end may tell that the thread is elsewhere, which nobody knew at the end."""
    if step.ended and step.state.owner == "bot" and step.channel is not None and step.channel.has_default_app:
        step.take_back()


def decide_fault(
    state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings, reason: str
) -> Decision:
    """A rule raised on this event, a fault of ours: a person gets the conversation, nothing else stops."""
    step = Step(state, event, at, settings)
    step.expire()
    if step.state.owner == "bot":
        step.fault(reason)
    return step.done()


# --- the customer


def customer_message(step: Step, event: CustomerMessage) -> None:
    state = step.state
    if is_too_old(event, step.at) or is_from_before(state, event):
        tell_said(step, event, "record")
        return
    step.ask_name()
    if state.owner == "human" and not wants_bot_back(state, event) and waits_for_owner(step, event):
        state.held = (*state.held, event)
        step.read_thread()
        return
    place_held(step)
    note_channel(step, event)
    after_an_end(step)
    place(step, event)


def place_held(step: Step) -> None:
    """What waited for the thread's owner comes before whatever is said next."""
    held = step.state.held
    if not held:
        return
    step.state.held, step.state.reading = (), None
    for message in held:
        place(step, message)


def give_back_held(step: Step) -> None:
    """The episode ended otherwise: what waited for the thread's owner is the bot's, in its order."""
    if step.state.owner == "bot":
        place_held(step)


def place(step: Step, event: CustomerMessage) -> None:
    """The bot's, or the person's; the click that brings the customer back is the person's last.

    What was taken back before it was anybody's is nobody's.
    """
    if event.input == NOTHING:
        seq = tell_said(step, event, "record")
        step.tell(MessageDeleted, mid=event.mid, message_seq=seq)
        return
    if is_old_button(step.state, event):
        tell_said(step, event, "record")
        return
    step.state.heard_at = step.at
    if step.state.owner == "bot":
        seq = tell_said(step, event, "bot")
        step.queue(customer_input(event, seq))
        step.next_turn()
        return
    step.watch_thread()
    tell_said(step, event, "person")
    if wants_bot_back(step.state, event):
        step.end(Cause.CUSTOMER, may_ask_person=False)


def tell_said(step: Step, event: CustomerMessage, addressed: str) -> int:
    seq = step.entry()
    step.mark(event.mid, seq)
    step.tell(CustomerSaid, seq=seq, mid=event.mid, channel=event.channel, input=event.input, addressed=addressed)
    said = event.input.text or f"[{event.input.attachments[0].kind if event.input.attachments else 'click'}]"
    if addressed != "record":
        name = step.state.profile.name if step.state.profile else ""
        step.remember(seq, Speaker.CUSTOMER, said, name=name)
    return seq


def wants_bot_back(state: Conversation, event: CustomerMessage) -> bool:
    """A click of this episode's Back to Bot button, or its exact text (case and outer spaces aside)."""
    episode = state.episode
    if episode is None or episode.block is None or not episode.block.back_to_bot_button:
        return False
    if event.input.payload == back_payload(episode.id):
        return True
    said = event.input.text.strip().casefold()
    return said != "" and said == episode.block.back_to_bot_button.strip().casefold()


def is_old_button(state: Conversation, event: CustomerMessage) -> bool:
    payload = event.input.payload or ""
    current = back_payload(state.episode.id) if state.episode else None
    return payload.startswith(BACK_PAYLOAD) and payload != current


def is_too_old(event: ConversationEvent, at: datetime) -> bool:
    return event.occurred_at is not None and at - event.occurred_at > TOO_OLD


def is_from_before(state: Conversation, event: CustomerMessage | Echo) -> bool:
    """Catch-up brings it from before the last episode's end: what it could have changed is over."""
    if not event.caught_up or state.ended_at is None or event.occurred_at is None:
        return False
    return event.occurred_at < state.ended_at


# --- what the customer does with messages that are there


def customer_edited(step: Step, event: CustomerEdited) -> None:
    """No message and no act: what waits for its turn is answered as it reads now; a turn that is out goes on as asked."""
    held = step.state.held
    if any(message.mid == event.mid for message in held):
        step.state.held = tuple(
            message.changed(input=message.input.changed(text=event.text))
            if message.mid == event.mid and message.input != NOTHING
            else message
            for message in held
        )
        return
    seq = step.state.seq_of(event.mid)
    step.tell(MessageEdited, mid=event.mid, message_seq=seq, text=event.text, number=event.number)
    if seq is not None:
        step.reword(seq, event.text)


def customer_deleted(step: Step, event: CustomerDeleted) -> None:
    held = step.state.held
    if any(message.mid == event.mid for message in held):
        step.state.held = tuple(
            message.changed(input=NOTHING, extras=None) if message.mid == event.mid else message for message in held
        )
        return
    seq = step.state.seq_of(event.mid)
    step.tell(MessageDeleted, mid=event.mid, message_seq=seq)
    if seq is not None:
        step.unsay(event.mid, seq)


def customer_reacted(step: Step, event: CustomerReacted) -> None:
    is_there = event.action == "react"
    step.tell(
        MessageReacted,
        mid=event.mid,
        message_seq=step.state.seq_of(event.mid),
        reaction=(event.reaction or "other") if is_there else "",
        emoji=event.emoji if is_there else "",
    )


def customer_referred(step: Step, event: CustomerReferred) -> None:
    step.tell(CustomerReturned, referral=event.referral)


def receipt(step: Step, event: Receipt) -> None:
    """Told where it says more than the last one: a customer who reads on causes many, and each is a record and a row."""
    state = step.state
    if not tells_more(state, event):
        return
    step.tell(MessagesReceived, state=event.state, until=event.until, mids=event.mids)
    if event.until is not None and event.state == "seen":
        state.seen_to = event.until
    elif event.until is not None:
        state.delivered_to = event.until


def tells_more(state: Conversation, event: Receipt) -> bool:
    """What was seen has arrived."""
    if event.until is None:
        return True
    known = [state.seen_to] if event.state == "seen" else [state.seen_to, state.delivered_to]
    return all(until is None or event.until > until for until in known)


# --- turns


def turn_completed(step: Step, event: TurnCompleted) -> None:
    if not step.is_outstanding(event.turn, event.epoch):
        step.suppress(event)
        return
    step.finish_turn(event)
    step.next_turn()


def takeover_requested(step: Step, event: TakeoverRequested) -> None:
    if not step.is_outstanding(event.turn, event.epoch):
        step.suppress(event)
        return
    step.finish_turn(event)
    step.say_goodbye(event.block, event.turn)
    step.begin(Cause.FLOW, block=event.block)
    step.rest_in_main()


def turn_started(step: Step, event: TurnStarted) -> None:
    turn = step.state.turn
    if turn is not None and step.is_outstanding(event.turn, event.epoch):
        step.state.turn = turn.changed(started=turn.started + 1)


def turn_failed(step: Step, event: TurnFailed) -> None:
    if step.is_outstanding(event.turn, event.epoch):
        step.fault(event.reason)


def turn_overdue(step: Step, event: TurnOverdue) -> None:
    turn = step.state.turn
    if turn is None or (turn.id, turn.attempt) != (event.turn, event.attempt):
        return
    if turn.started >= CRASHES:
        step.fault(f"The turn was begun {turn.started} times and never finished.")
    else:
        step.ask_again()


def delay_elapsed(step: Step, event: DelayElapsed) -> None:
    state = step.state
    if state.owner == "bot" and state.delay is not None and state.delay.turn == event.turn:
        state.delay = None
        step.queue(QueuedInput.made(seqs=(), input=TurnInput.made(reason="delay"), delay_turn=event.turn))
        step.next_turn()


# --- operators


def operator_takes_over(step: Step, event: OperatorTakesOver) -> None:
    state = step.state
    holder = held_by_another(state, event.operator)
    if event.epoch != state.epoch:
        refuse_changed(step, event)
        return
    if event.no_expiry and event.expiry is not None:
        refuse(step, event, "invalid", "no_expiry: a session has a length or none, not both.", field="no_expiry")
        return
    if holder is not None and not event.force:
        refuse_held(step, event, holder)
        return
    if state.owner == "bot":
        step.begin(Cause.OPERATOR)
    step.attend(
        "switch",
        holder=event.operator,
        venue="inbox",
        message=False,
        length=event.expiry,
        no_expiry=event.no_expiry,
    )
    step.rest_in_main()
    accept(step, event)


def operator_replies(step: Step, event: OperatorReplies) -> None:
    if may_not_reply(step, event):
        return
    if step.state.owner == "bot":
        step.begin(Cause.OPERATOR)
    step.attend("reply", holder=event.operator, venue="inbox", message=True)
    step.deliver(event)
    accept(step, event)


def may_not_reply(step: Step, event: OperatorReplies) -> bool:
    """Whether the reply was refused: it must not be sent as it is."""
    state = step.state
    if not event.text.strip() and event.media is None:
        refuse(step, event, "invalid", "text: it says nothing.", field="text")
    elif event.epoch > state.epoch:
        refuse_changed(step, event)
    elif event.seq > state.seq:
        refuse(step, event, "invalid", "seq: the conversation has no such entry yet.", field="seq")
    elif step.window.person(step.at) == "none":
        refuse(step, event, "window_closed", step.window.reason(step.at))
    elif event.force:
        return False
    elif state.owner == "bot":
        spoken = step.newer(event.seq, Speaker.BOT)
        if event.epoch == state.epoch or not spoken:
            return False
        reason = "The bot has the conversation again and has answered since."
        refuse(step, event, "bot_answered_since", reason, field="seq", newer=spoken)
    elif (holder := held_by_another(state, event.operator)) is not None:
        refuse_held(step, event, holder)
    elif others := others_since(step, event):
        reason = f"{len(others)} newer: a colleague has written since."
        refuse(step, event, "newer", reason, field="seq", newer=others)
    else:
        return False
    return True


def others_since(step: Step, event: OperatorReplies) -> tuple[Said, ...]:
    """What people, others than the operator, have written since what the composer showed."""
    return tuple(
        said
        for said in step.newer(event.seq, Speaker.OPERATOR, Speaker.STAFF)
        if said.speaker is Speaker.STAFF or said.by != event.operator.id
    )


def operator_sets_expiry(step: Step, event: OperatorSetsExpiry) -> None:
    state = step.state
    deadline = event.deadline
    if event.expiry is not None:
        deadline = step.at + timedelta(seconds=event.expiry)
    if state.owner == "bot":
        refuse(step, event, "not_taken_over", "The bot has this conversation; there is no session to set.")
    elif event.epoch != state.epoch:
        refuse_changed(step, event)
    elif event.expiry is not None and event.deadline is not None:
        refuse(step, event, "invalid", "deadline: a session has a length or a deadline, not both.", field="deadline")
    elif deadline is not None and deadline <= step.at:
        refuse(step, event, "past", "deadline: it lies in the past.", field="deadline")
    elif deadline is not None and deadline > step.at + MAX_AHEAD:
        refuse(step, event, "invalid", "deadline: it is more than 30 days away.", field="deadline")
    else:
        step.set_expiry(deadline)
        accept(step, event)


def operator_hands_back(step: Step, event: OperatorHandsBack) -> None:
    state = step.state
    if state.owner == "bot":
        refuse(step, event, "already_bot", "The bot has this conversation already.")
    elif event.epoch != state.epoch:
        refuse_changed(step, event)
    else:
        step.end(Cause.OPERATOR, mode=event.mode, by=event.operator, note=event.note)
        accept(step, event)


def operator_assigns(step: Step, event: OperatorAssigns) -> None:
    """Whose it is to be. Neither owner nor epoch nor expiry; with the bot it is a note for the next episode."""
    state = step.state
    holder = held_by_another(state, event.operator)
    if event.epoch != state.epoch:
        refuse_changed(step, event)
    elif holder is not None and not event.force:
        refuse_held(step, event, holder)
    else:
        give_to(step, event.to)
        accept(step, event)


def operator_deactivated(step: Step, event: OperatorDeactivated) -> None:
    """What they hold is nobody's. An episode stays what it is: attended without a holder it is shown as waiting."""
    state = step.state
    mine = state.episode.holder if state.episode is not None else state.assigned
    if mine is not None and mine.id == event.operator.id:
        give_to(step, None)


def give_to(step: Step, person: Person | None) -> None:
    state = step.state
    if state.episode is not None:
        step.hold(person)
    elif state.assigned != person:
        state.assigned = person
        step.tell(AssignmentChanged, assigned=person)


def held_by_another(state: Conversation, operator: Person) -> Person | None:
    """Who has taken it up, if not this operator. A request that is assigned to somebody may be taken up by anybody."""
    episode = state.episode
    if episode is None or not episode.attended or episode.holder is None or episode.holder.id == operator.id:
        return None
    return episode.holder


def accept(step: Step, event: OperatorCommand) -> None:
    step.tell(CommandAccepted, command=event.id)


def refuse_changed(step: Step, event: OperatorCommand) -> None:
    reason = "The conversation has changed hands since you looked."
    refuse(step, event, "changed", reason, field="epoch")


def refuse_held(step: Step, event: OperatorCommand, holder: Person) -> None:
    refuse(step, event, "held", f"{holder.name} has this conversation.")


def refuse(
    step: Step, event: OperatorCommand, code: str, reason: str, *, field: str = "", newer: tuple[Said, ...] = ()
) -> None:
    """Nothing changes. It tells who has the conversation and since when: the holder, else the episode, else the bot."""
    state, episode = step.state, step.state.episode
    step.tell(
        CommandRefused,
        command=event.id,
        code=code,
        reason=reason,
        field=field,
        owner=state.owner,
        holder=episode.holder if episode else None,
        since=(episode.held_since or episode.attended_at or episode.started_at) if episode else state.ended_at,
        newer=newer,
    )


# --- staff in the Page Inbox, and Facebook's thread


def echo(step: Step, event: Echo) -> None:
    too_old = is_too_old(event, step.at) or is_from_before(step.state, event)
    if not too_old:
        step.ask_name()
    if step.channel is None or is_ours(step.state, event, step.channel):
        return
    automatic = is_automatic(event, step.channel)
    counts = not automatic and not too_old and not may_be_a_bots(event, step.channel)
    if counts:
        if event.channel == "standby" and event.app_id == step.channel.page_inbox_app and is_newer(step, event):
            step.thread_is(event.app_id, occurred_at=event.occurred_at)
        staff_act(step, message=True)
    seq = step.entry()
    step.tell(
        StaffSaid,
        seq=seq,
        mid=event.mid,
        app_id=event.app_id,
        automatic=automatic,
        text=event.text,
        attachments=event.attachments,
    )
    if counts:
        step.remember(seq, Speaker.STAFF, event.text or "[attachment]")


def is_ours(state: Conversation, event: Echo, channel: MessengerChannel) -> bool:
    """Of our app, with the metadata that our sends carry, or a message that we know to have sent.

    An inbox id alone is never proof of anything. Who is told neither app nor metadata is known by the mid of a send's answer;
    where the echo came before the answer, by its very words.
    """
    return (
        event.app_id == channel.app_id
        or has_our_metadata(event)
        or (event.mid != "" and state.seq_of(event.mid) is not None)
        or (event.app_id is None and event.metadata is None and says_our_words(state, event.text))
    )


def has_our_metadata(event: Echo) -> bool:
    """It names a command of the conversation's, whose ids begin as the conversation's. Another app may write JSON too."""
    if not event.metadata:
        return False
    try:
        value = json.loads(event.metadata)
    except ValueError:
        return False
    return isinstance(value, dict) and str(value.get("c")).startswith(f"{event.conversation}!")


def says_our_words(state: Conversation, text: str) -> bool:
    """Whether a message of the bot's or of an operator's, one of the last, says just this."""
    return text != "" and any(
        line.text == text[:SHORT] for line in state.recent if line.speaker in {Speaker.BOT, Speaker.OPERATOR}
    )


def may_be_a_bots(event: Echo, channel: MessengerChannel) -> bool:
    """Catch-up cannot tell which app wrote: where other bots write for the page, it may have been one of them."""
    return event.caught_up and event.app_id is None and bool(channel.bot_apps)


def is_automatic(event: Echo, channel: MessengerChannel) -> bool:
    return event.app_id in channel.bot_apps or (event.text != "" and event.text in channel.automatic_replies)


def staff_act(step: Step, *, message: bool) -> None:
    """Staff took the conversation, or go on in it, in Facebook's Page Inbox."""
    if step.state.owner == "bot":
        step.begin(Cause.PAGE_INBOX, venue="page_inbox")
    episode = step.state.episode
    stays = episode is not None and episode.attended and episode.venue == "page_inbox"
    # who was assigned to what staff work on keeps it; what an operator had in our Inbox is staff's now
    holder = episode.holder if episode is not None and stays else None
    step.attend("staff", holder=holder, venue="page_inbox", message=message)
    step.rest_in_main()


def thread_control(step: Step, event: ThreadControl) -> None:
    channel = step.channel
    if channel is None or is_too_old(event, step.at) or not is_newer(step, event):
        return
    if event.action == "request":
        if event.requested_owner == channel.page_inbox_app:
            staff_act(step, message=False)
            step.grant_thread()
        return
    step.thread_is(event.new_owner or OTHER_APP, occurred_at=event.occurred_at)
    if event.new_owner == channel.page_inbox_app and not is_our_pass(event, channel):
        staff_act(step, message=False)
    elif event.action == "pass" and event.new_owner == channel.app_id:
        moved_to_done(step)


def is_our_pass(event: ThreadControl, channel: MessengerChannel) -> bool:
    """Our own pass moves only the mirror. Old bodies do not tell the previous owner."""
    return event.action == "pass" and event.previous_owner in {None, channel.app_id}


def moved_to_done(step: Step) -> None:
    """Control came to us by staff: the bot's again, unless an operator works here: then the operator decides."""
    episode = step.state.episode
    if episode is None:
        return
    if not episode.attended or episode.venue == "page_inbox":
        step.end(Cause.PAGE_INBOX)
        return
    step.state.moved_to_done = True
    step.tell(ThreadChanged, owner="us", app_id=step.channel.app_id if step.channel else None, moved_to_done=True)
    step.rest_in_main()


def is_newer(step: Step, event: ConversationEvent) -> bool:
    """A fact not later than the mirror's is recorded and changes nothing."""
    known = step.state.thread.occurred_at
    return known is None or event.occurred_at is None or event.occurred_at > known


def is_settled(step: Step) -> bool:
    thread = step.state.thread
    return not thread.under_way and (thread.confirmed_at is None or step.at - thread.confirmed_at > SETTLED)


def note_channel(step: Step, event: CustomerMessage) -> None:
    """A message's channel is weak evidence of the thread's owner: `messaging` is ours, `standby` somebody else's.

    What catch-up reads came by none.
    """
    channel, thread = step.channel, step.state.thread
    if channel is None or not channel.has_default_app or event.input.kind == "postback" or event.caught_up:
        return
    if not is_newer(step, event) or not is_settled(step):
        return
    if event.channel == "messaging" and (not thread.known or thread.owner != channel.app_id):
        step.thread_is(channel.app_id, occurred_at=event.occurred_at)
    elif event.channel == "standby" and (not thread.known or thread.owner == channel.app_id):
        step.thread_is(OTHER_APP, occurred_at=event.occurred_at)


def waits_for_owner(step: Step, event: CustomerMessage) -> bool:
    """The customer writes to us though the Page Inbox should have the thread: staff may have moved it to Done silently."""
    channel, thread = step.channel, step.state.thread
    if channel is None or not channel.has_default_app or len(step.state.held) >= MAX_HELD:
        return False
    if step.state.held:
        return True
    return (
        event.channel == "messaging"
        and not event.caught_up
        and event.input.kind != "postback"
        and thread.known
        and thread.owner == channel.page_inbox_app
        and is_newer(step, event)
        and is_settled(step)
    )


def thread_owner_read(step: Step, event: ThreadOwnerRead) -> None:
    reading = step.state.reading
    if reading is not None and reading.command == event.command:
        owner_answered(step, event, known=event.known, owner=event.owner)


def read_overdue(step: Step, event: ReadOverdue) -> None:
    state = step.state
    if state.reading is not None and state.reading.command == event.command:
        owner_answered(step, event, known=False, owner=None)
    elif state.naming is not None and state.naming.command == event.command:
        profile_known(step, Profile())


def owner_answered(step: Step, event: ConversationEvent, *, known: bool, owner: str | None) -> None:
    """The answer to a question about the thread's owner, or that none came. An answer older than what is known is none."""
    state, channel, before, ran_out = step.state, step.channel, step.state.thread, step.thread_ran_out()
    why = state.reading.why if state.reading is not None else "message"
    held, state.held, state.reading = state.held, (), None
    if known and channel is not None and is_newer(step, event) and not before.under_way:
        step.thread_is(owner, occurred_at=event.occurred_at, reason="read")
        if state.owner == "bot" and owner == channel.page_inbox_app and why == "message" and not held:
            step.begin(Cause.PAGE_INBOX, venue="page_inbox", inferred=True)
            step.attend("staff", holder=None, venue="page_inbox", message=False)
        elif state.owner == "human" and (held or why == "check") and owner in {None, channel.app_id}:
            came_to_us(step, was_theirs=before.owner == channel.page_inbox_app, ran_out=ran_out)
    for message in held:
        place(step, message)


def came_to_us(step: Step, *, was_theirs: bool, ran_out: bool) -> None:
    """In an episode the thread is found ours, or free. A free one becomes the default app's with the customer's next word:

    after its time nobody need have done anything, before it staff moved it to Done.
    """
    if was_theirs and not ran_out:
        moved_to_done(step)
    else:
        step.rest_in_main()


# --- erasure


def erasure_asked(step: Step, event: ErasureAsked) -> None:
    """The customer is forgotten, what nobody has answered yet included. Owner, epoch, holder and expiry stay."""
    step.state.forget()
    step.command(Erase, seq=step.state.seq, at=step.at)
    step.tell(ConversationErased, by=event.by)


# --- what became of our commands


def message_sent(step: Step, event: MessageSent) -> None:
    if event.passed:  # else a pass that it was to carry follows it, and is under way until it is told of
        step.report_done(event.command)
    step.mark(event.mid, event.seq)
    if event.passed and step.channel is not None and is_newer(step, event):
        step.thread_is(step.channel.page_inbox_app, occurred_at=event.occurred_at)
    step.tell(DeliveryChanged, command=event.command, state="sent", message_seq=event.seq, mid=event.mid)


def message_refused(step: Step, event: MessageRefused) -> None:
    state = step.state
    step.report_done(event.command)
    word = "uncertain" if event.kind == "uncertain" else "not_delivered"
    step.tell(
        DeliveryChanged,
        command=event.command,
        state=word,
        message_seq=event.seq,
        reason=event.reason,
        next_step=event.next_step,
    )
    if event.kind != "not_owner" and state.owner == "human":
        step.rest_in_main()  # the pass that rode on it did not go either
    if event.kind != "not_owner" or event.epoch != state.epoch or state.refused_epoch == state.epoch:
        return
    state.refused_epoch = state.epoch
    if state.owner == "bot":
        step.read_thread()
    elif is_newer(step, event):
        step.thread_is(OTHER_APP, occurred_at=event.occurred_at, reason=event.reason)


def command_suppressed(step: Step, event: CommandSuppressed) -> None:
    step.report_done(event.command)
    if event.seq is not None:
        step.tell(
            DeliveryChanged, command=event.command, state="suppressed", message_seq=event.seq, reason=event.reason
        )
    if event.reason and step.state.owner == "human":
        step.rest_in_main()  # no Silence met it: the pass that rode on it did not go either


def thread_moved(step: Step, event: ThreadMoved) -> None:
    step.report_done(event.command)
    if is_newer(step, event):
        step.thread_is(event.owner, occurred_at=event.occurred_at)


def thread_extended(step: Step, event: ThreadExtended) -> None:
    """Only the owner can extend: it is evidence too."""
    channel = step.channel
    if channel is None or not is_newer(step, event):
        return
    step.thread_is(channel.app_id, occurred_at=event.occurred_at)
    step.state.thread = step.state.thread.changed(kept_until=step.at + timedelta(seconds=event.seconds))


def thread_refused(step: Step, event: ThreadRefused) -> None:
    """What was refused did not happen, so that the thread may be where nobody thought."""
    step.report_done(event.command)
    thread = step.state.thread
    word = step.owner_word(thread.owner) if thread.known else "unknown"
    step.tell(ThreadChanged, owner=word, app_id=thread.owner, reason=f"{event.action} refused: {event.reason}")
    if event.epoch == step.state.epoch:
        step.read_thread("move")


def profile_read(step: Step, event: ProfileRead) -> None:
    """A name that was being read while the customer was forgotten stays unknown."""
    if not step.state.is_forgotten(event.command):
        profile_known(step, event.profile)


def profile_known(step: Step, profile: Profile) -> None:
    step.state.naming = None
    if step.state.profile is None or profile != Profile():
        step.state.profile = profile
        step.tell(CustomerKnown, profile=profile)
    step.next_turn()


# --- time


def session_expired(step: Step, event: SessionExpired) -> None:
    """Counts by epoch and deadline only; its own time is not compared."""
    episode = step.state.episode
    if episode is not None and event.epoch == step.state.epoch and event.deadline == episode.deadline:
        step.end(Cause.EXPIRED)


def thread_check_due(step: Step, event: ThreadCheckDue) -> None:
    state = step.state
    if state.owner == "human" and (event.epoch, event.due_at) == (state.epoch, state.check_at):
        step.keep_thread()


def recorded_only(step: Step, event: ChannelFact | PolicyEnforced) -> None:
    """Opt-ins and the like are in the log for who wants them; what is a page's is in no conversation."""


RULES: Mapping[type[ConversationEvent], Callable[[Step, Any], None]] = {
    CustomerMessage: customer_message,
    CustomerEdited: customer_edited,
    CustomerDeleted: customer_deleted,
    CustomerReacted: customer_reacted,
    CustomerReferred: customer_referred,
    Receipt: receipt,
    Echo: echo,
    ThreadControl: thread_control,
    PolicyEnforced: recorded_only,
    ChannelFact: recorded_only,
    TurnStarted: turn_started,
    TurnCompleted: turn_completed,
    TakeoverRequested: takeover_requested,
    TurnFailed: turn_failed,
    OperatorTakesOver: operator_takes_over,
    OperatorReplies: operator_replies,
    OperatorSetsExpiry: operator_sets_expiry,
    OperatorHandsBack: operator_hands_back,
    OperatorAssigns: operator_assigns,
    OperatorDeactivated: operator_deactivated,
    ErasureAsked: erasure_asked,
    MessageSent: message_sent,
    MessageRefused: message_refused,
    CommandSuppressed: command_suppressed,
    ThreadMoved: thread_moved,
    ThreadExtended: thread_extended,
    ThreadRefused: thread_refused,
    ThreadOwnerRead: thread_owner_read,
    ProfileRead: profile_read,
    SessionExpired: session_expired,
    TurnOverdue: turn_overdue,
    DelayElapsed: delay_elapsed,
    ReadOverdue: read_overdue,
    ThreadCheckDue: thread_check_due,
}


def first_contact(conversation: str, bot: str) -> Conversation:
    """The row of a conversation that was never met; it exists from then on, whoever speaks first."""
    ConversationId.parse(conversation)
    return Conversation(id=conversation, bot=bot)
