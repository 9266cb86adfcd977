"""The moves that the rules of `decide` are made of: say, ask for a turn, begin and end an episode, move the thread.

Each move changes a copy of the state and adds effects. None reads a clock or does I/O.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from schemas.base import ConversationEvent, ConversationId
from schemas.bots import BotSettings, MessengerChannel
from schemas.commands import (
    Command,
    ExtendThread,
    PassThread,
    ReadProfile,
    ReadThread,
    SendMessage,
    Silence,
    TakeThread,
)
from schemas.conversations import (
    CustomerMessage,
    Notice,
    OperatorReplies,
    TakeoverRequested,
    TurnCompleted,
)
from schemas.handover import MAX_RETURN, Cause, Port, RequestedBy, back_payload
from schemas.messages import OutMessage, Person, Profile, QuickReply, Said, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    BotPosition,
    CustomerReturned,
    CustomerSaid,
    FlowNoticed,
    MessageReacted,
    Outcome,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
    ThreadChanged,
    Venue,
)
from schemas.topics import MESSENGER_COMMANDS, OUTCOMES, TURNS
from schemas.turns import Resume, TurnAsked, TurnInput
from schemas.window import Window
from takeover.effects import Decision, Effect
from takeover.state import Conversation, Delay, Episode, OpenTurn, Question, QueuedInput, Thread, mid_digest

ASK_AGAIN = timedelta(seconds=30)
ASK_AGAIN_CAP = timedelta(minutes=5)
READ_TIMEOUT = timedelta(seconds=2)
# The channel answers within 2 s of asking, if only that it has no name. This is for when nobody asks: then the bot's answer
# could not leave either.
NAME_TIMEOUT = timedelta(seconds=10)
THREAD_TIME = timedelta(hours=24)  # without a word of the customer's, after which Facebook frees a thread by itself
MAY_WRITE = timedelta(days=7)  # after the customer's last word, in which a person may still write
EXTEND_BEFORE = timedelta(hours=1)
FREE_AFTER = timedelta(minutes=1)  # Facebook's clock may be behind
MAX_QUEUE = 100  # inputs; what comes on top joins the last one, so nothing is lost and nothing grows
LAST_TEXTS = 5
LAST_OF_A_SPEAKER = 3
SHORT = 500  # characters of a text in e-mails and refusals
TAKEN_BACK = "[deleted]"
MAX_MARKS = 12  # messages that are known by their mid

PEOPLE = (Cause.OPERATOR, Cause.PAGE_INBOX)  # a person took it; a flow or a fault of ours asked for one
OTHER_APP = "another app"  # the thread is elsewhere, nobody told where
NO_WAY_BACK = "The page has no way by which control comes back to us; it does when Facebook frees the thread."
TELL_THE_ACT = frozenset({CustomerSaid, CustomerReturned, MessageReacted})
PORTS: dict[Cause, Port] = {
    Cause.OPERATOR: Port.OPERATOR,
    Cause.CUSTOMER: Port.CUSTOMER,
    Cause.EXPIRED: Port.EXPIRED,
    Cause.PAGE_INBOX: Port.PAGE_INBOX,
}


class Step:
    """One decision in the making."""

    def __init__(self, state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings) -> None:
        self.state = state.moved_to(at)
        self.event = event
        self.at = state.later(at)
        self.settings = settings
        self.channel: MessengerChannel | None = settings.channel(ConversationId.parse(state.id).account)
        self.effects: list[Effect] = []
        self.ended = False
        """An episode ended in this decision."""

    def done(self) -> Decision:
        return Decision(self.state, tuple(self.effects))

    # --- ids, records, entries

    def next_id(self) -> str:
        self.state.count += 1
        return f"{self.state.id}!{self.state.count}"

    def entry(self) -> int:
        """The next visible entry of the conversation."""
        self.state.seq += 1
        return self.state.seq

    def tell(self, outcome: type[Outcome], **fields: Any) -> None:
        state = self.state
        common = {
            "id": self.next_id(),
            "conversation": state.id,
            "bot": state.bot,
            "epoch": state.epoch,
            "episode": state.episode.id if state.episode else None,
            "seq": state.seq,
            "at": self.at,
            "cause_id": self.event.id,
        }
        if outcome in TELL_THE_ACT:
            common["acted_at"] = state.acted_at
        common.update(fields)
        self.effects.append(Effect(OUTCOMES, outcome.made(common)))

    def command(self, command: type[Command], **fields: Any) -> str:
        identity = self.next_id()
        values = {"id": identity, "conversation": self.state.id, "epoch": self.state.epoch, **fields}
        self.effects.append(Effect(MESSENGER_COMMANDS, command.made(values)))
        return identity

    def remember(self, seq: int, speaker: Speaker, text: str, by: Person | None = None, name: str = "") -> None:
        """Keep the last texts of all, and the last of each speaker: refusals show what was newer."""
        said = Said.made(
            seq=seq, speaker=speaker, by=by.id if by else "", name=by.name if by else name, text=text[:SHORT]
        )
        lines = (*self.state.recent, said)
        speakers = [line.speaker for line in lines]
        older = [
            line
            for place, line in enumerate(lines[:-LAST_TEXTS], start=1)
            if speakers[place:].count(line.speaker) < LAST_OF_A_SPEAKER
        ]
        self.state.recent = (*older, *lines[-LAST_TEXTS:])

    def mark(self, mid: str, seq: int) -> None:
        """From now on the message is known by its mid, until so many others came."""
        if mid:
            marks = {**self.state.marks, mid_digest(mid): seq}
            if len(marks) > MAX_MARKS:
                del marks[next(iter(marks))]
            self.state.marks = marks

    def reword(self, seq: int, text: str) -> None:
        """What the customer said in an entry reads otherwise now: where it waits for its turn, and in the last texts."""
        state = self.state
        state.queue = tuple(
            asked.changed(input=asked.input.changed(message=asked.input.message.changed(text=text)))
            if asked.seqs == (seq,) and asked.input.message
            else asked
            for asked in state.queue
        )
        state.recent = tuple(line.changed(text=text[:SHORT]) if line.seq == seq else line for line in state.recent)

    def unsay(self, mid: str, seq: int) -> None:
        """The customer took back what they said in an entry. No turn is asked for it; one that is out goes on."""
        state = self.state
        state.marks = {digest: entry for digest, entry in state.marks.items() if digest != mid_digest(mid)}
        state.queue = tuple(asked for asked in state.queue if asked.seqs != (seq,))
        state.recent = tuple(line.changed(text=TAKEN_BACK) if line.seq == seq else line for line in state.recent)

    def newer(self, seq: int, *speakers: Speaker) -> tuple[Said, ...]:
        return tuple(line for line in self.state.recent if line.seq > seq and line.speaker in speakers)

    # --- until when the customer may be answered

    def acted(self) -> None:
        """The event is an act of the customer's. A clock that was ahead keeps nothing open for longer."""
        before = self.state.acted_at
        when = min(self.event.occurred_at or self.at, self.at)
        self.state.acted_at = when if before is None else max(before, when)

    @property
    def window(self) -> Window:
        """Without limits on a channel that has none."""
        if self.channel is None:
            return Window()
        return Window.after(self.state.acted_at, human_agent=self.channel.human_agent)

    # --- the bot speaks

    def say(self, messages: Iterable[OutMessage], *, turn: str | None = None, then_pass: bool = False) -> None:
        """Command the bot's messages. The only way by which a bot's words reach a customer."""
        lines = list(messages)
        for position, message in enumerate(lines):
            seq = self.entry()
            rides = then_pass and position == len(lines) - 1
            command = self.command(
                SendMessage,
                seq=seq,
                at=self.at,
                speaker=Speaker.BOT,
                episode=self.state.episode.id if self.state.episode else None,
                turn=turn,
                message=message,
                then_pass=rides,
                acted_at=self.state.acted_at,
            )
            self.remember(seq, Speaker.BOT, message.preview, name=self.settings.name)
            if rides and self.channel:
                self._thread_goes(command, self.channel.page_inbox_app)

    def suppress(self, event: TurnCompleted | TakeoverRequested) -> None:
        """Record what the bot was about to say and was stopped from saying."""
        messages = event.messages
        if type(event) is TakeoverRequested and event.block.goodbye_message:
            messages = (*messages, OutMessage(text=event.block.goodbye_message, block=event.block.block))
        if self.state.is_forgotten(event.turn):
            messages = ()
        self.tell(AnswerSuppressed, seq=self.entry(), turn=event.turn, turn_epoch=event.epoch, messages=messages)

    def notice(self, turn: str, notices: Iterable[Notice]) -> None:
        for notice in notices:
            self.tell(FlowNoticed, turn=turn, notice=notice)

    # --- turns

    def is_outstanding(self, turn: str, epoch: int) -> bool:
        state = self.state
        return state.owner == "bot" and state.turn is not None and state.turn.id == turn and epoch == state.epoch

    def queue(self, asked: QueuedInput) -> None:
        state = self.state
        if len(state.queue) >= MAX_QUEUE and asked.input.message and state.queue[-1].input.message:
            state.queue = (*state.queue[:-1], _joined(state.queue[-1], asked))
        else:
            state.queue = (*state.queue, asked)

    def next_turn(self) -> None:
        """Ask for a turn if something waits and none is out; the first one waits for the customer's name."""
        state = self.state
        if state.owner != "bot" or state.turn is not None or not state.queue or state.naming is not None:
            return
        if self.settings.flow is None and state.session is None:
            self.fault("No flow is published for this bot.")
            return
        asked, *rest = state.queue
        state.queue = tuple(rest)
        if asked.delay_turn and (state.session is None or state.session.delay_turn != asked.delay_turn):
            self.next_turn()  # the flow went on by another way, or waits in another Delay
            return
        if state.resume is not None and asked.input.reason == "message":
            asked = asked.changed(input=asked.input.changed(resume=state.resume))
        state.resume = None
        state.turn = OpenTurn.made(
            id=self.next_id(),
            asked=asked,
            attempt=1,
            overdue_at=self.at + ASK_AGAIN,
            flow=self.settings.flow or (state.session.flow if state.session else ""),
            profile=state.profile or Profile(),
        )
        self._ask(state.turn)

    def ask_again(self) -> None:
        """Under the same id, with the same input, session and version; after 30 s, doubling to 5 min, without limit."""
        turn = self.state.turn
        if turn is None:
            return
        wait = min(ASK_AGAIN * 2 ** min(turn.attempt, 10), ASK_AGAIN_CAP)
        self.state.turn = turn.changed(attempt=turn.attempt + 1, overdue_at=self.at + wait)
        self._ask(self.state.turn)

    def _ask(self, turn: OpenTurn) -> None:
        state = self.state
        self.effects.append(
            Effect(
                TURNS,
                TurnAsked.made(
                    id=f"{turn.id}:{turn.attempt}",
                    conversation=state.id,
                    bot=state.bot,
                    turn=turn.id,
                    epoch=state.epoch,
                    attempt=turn.attempt,
                    flow=turn.flow,
                    session=state.session,
                    input=turn.asked.input,
                    profile=turn.profile,
                    may_ask_person=turn.asked.may_ask_person,
                ),
            )
        )

    def finish_turn(self, event: TurnCompleted | TakeoverRequested) -> None:
        """The outstanding turn ended: say its messages, keep its session."""
        state = self.state
        state.turn = None
        messages = event.messages
        speaks = messages or (type(event) is TakeoverRequested and event.block.goodbye_message)
        if state.greeting and speaks:
            messages = (OutMessage(text=state.greeting), *messages)
            state.greeting = ""
        self.say(messages, turn=event.turn)
        before, state.session = state.session, event.session
        if state.delay is not None and event.session.delay_turn != state.delay.turn:
            state.delay = None
        if type(event) is TurnCompleted and event.delay is not None:
            state.delay = Delay.made(turn=event.turn, due_at=self.at + timedelta(seconds=event.delay))
        self.notice(event.turn, event.notices)
        after = event.session
        if before is None or (before.at, before.waits_for, before.attributes) != (
            after.at,
            after.waits_for,
            after.attributes,
        ):
            self.tell(
                BotPosition, flow=after.flow, block=after.at, waits_for=after.waits_for, attributes=after.attributes
            )

    # --- episodes

    def begin(
        self,
        cause: Cause,
        *,
        block: RequestedBy | None = None,
        venue: Venue = "inbox",
        inferred: bool = False,
        fault: str = "",
    ) -> None:
        """The conversation becomes a person's, requested; the outstanding turn is void, what waits is the person's."""
        state = self.state
        taken = tuple(sorted(_unanswered(state)))
        state.epoch += 1
        state.owner = "human"
        state.turn, state.queue, state.delay, state.resume = None, (), None, None
        state.greeting, state.moved_to_done = "", False
        deadline = self.at + timedelta(seconds=block.auto_return) if block and block.auto_return else None
        if cause is Cause.FAULT:
            deadline = self._default_deadline()
        holder, state.assigned = (None if cause in PEOPLE else state.assigned), None
        state.episode = Episode.made(
            id=_episode_id(state.id, state.epoch),
            cause=cause,
            started_at=self.at,
            venue=venue,
            holder=holder,
            held_since=self.at if holder else None,
            deadline=deadline,
            block=block,
        )
        self.watch_thread()
        if cause in PEOPLE:
            self.command(Silence)
        self.tell(
            TakeoverStarted,
            seq=self.entry(),
            **self._episode_fields(),
            cause=cause,
            inferred=inferred,
            block=block.block if block else "",
            block_name=block.block_name if block else "",
            emails=block.emails if block and block.notify_admin else (),
            customer=state.profile or Profile(),
            last=state.recent[-LAST_TEXTS:],
            taken=taken,
            fault=fault,
        )

    def fault(self, reason: str) -> None:
        """Something of ours failed: the fallback text, and a person takes the input."""
        self.say([OutMessage(text=self.settings.fallback_text)])
        self.begin(Cause.FAULT, fault=reason)
        self.rest_in_main()

    def attend(
        self,
        by: Literal["switch", "reply", "staff"],
        *,
        holder: Person | None,
        venue: Venue,
        message: bool,
        length: int | None = None,
        no_expiry: bool = False,
    ) -> None:
        """A person takes it up or goes on: holder, venue, and the default expiry as it counts.

        `message`: they said something. `length` / `no_expiry`: an operator set the time, it stands for the episode.
        """
        episode = self._episode()
        first = not episode.attended
        moved_here = venue == "page_inbox" and episode.venue == "inbox" and not first
        taken_up_again = venue == "inbox" and not first and (episode.holder is None or episode.venue == "page_inbox")
        changes: dict[str, Any] = {"attended": True, "venue": venue, "holder": holder}
        if holder != episode.holder:
            changes["held_since"] = self.at if holder else None
        if first:
            changes["attended_at"] = self.at
            changes["every_response"] = self.settings.takeover.counts_from == "every response"
        if first and not episode.fixed:
            changes["length"] = self.settings.takeover.default_session_expiry
        episode = episode.changed(**changes)
        if length is not None or no_expiry:
            episode = _with_length(episode, self.at, length, fixed=True)
        elif self._counts_anew(episode, message=message, moved=first or moved_here or taken_up_again):
            episode = _with_length(episode, self.at, episode.length, fixed=episode.fixed)
        if message and episode.answered_at is None:
            episode = episode.changed(answered_at=self.at)
        changed = episode != self.state.episode
        self.state.episode = episode
        if first:
            self.tell(TakeoverAnswered, seq=self.entry(), **self._episode_fields(), by=by)
        elif changed:
            self.tell(TakeoverChanged, seq=self.entry(), **self._episode_fields())

    @staticmethod
    def _counts_anew(episode: Episode, *, message: bool, moved: bool) -> bool:
        if episode.fixed:
            return message and episode.every_response
        return moved or (message and (episode.every_response or episode.answered_at is None))

    def hold(self, person: Person | None) -> None:
        """The episode is theirs, or nobody's: neither expiry nor epoch change."""
        episode = self._episode()
        if episode.holder != person:
            self.state.episode = episode.changed(holder=person, held_since=self.at if person else None)
            self.tell(TakeoverChanged, seq=self.entry(), **self._episode_fields())

    def set_expiry(self, deadline: datetime | None) -> None:
        seconds = None if deadline is None else round((deadline - self.at).total_seconds())
        length = None if seconds is None else min(max(1, seconds), MAX_RETURN)
        episode = self._episode().changed(deadline=deadline, length=length, fixed=True)
        self.state.episode = episode
        self.tell(TakeoverChanged, seq=self.entry(), **self._episode_fields())

    def end(
        self,
        cause: Cause,
        *,
        mode: Literal["continue", "restart", "close"] = "continue",
        by: Person | None = None,
        note: str = "",
        may_ask_person: bool = True,
    ) -> None:
        """Every end, in this order: take thread control if it is not ours, say, go on."""
        state, episode = self.state, self._episode()
        state.epoch += 1
        state.owner = "bot"
        state.episode, state.ended_at = None, self.at
        state.moved_to_done, state.check_at = False, None
        self.ended = True
        self.tell(
            TakeoverEnded,
            seq=self.entry(),
            episode=episode.id,
            cause=cause,
            mode=mode,
            by=by,
            note=note,
            answered=episode.attended,
        )
        self.take_back()
        text = episode.block.back_to_bot_message if episode.block else self.settings.takeover.back_to_bot_message
        resume = Resume.made(block=episode.block.block if episode.block else None, port=PORTS[cause])
        if mode == "close":
            self._stand_at_start()
        elif cause is Cause.EXPIRED:
            state.resume = resume if state.session is not None else None
            state.greeting = text if self.settings.takeover.say_after_expiry else ""
        else:
            self.say([OutMessage(text=text)] if text else [])
            reason: Literal["start", "resume"] = "start" if mode == "restart" else "resume"
            go_on = TurnInput.made(reason=reason, resume=None if mode == "restart" else resume)
            if reason == "start" or state.session is not None:
                self.queue(QueuedInput.made(seqs=(), input=go_on, may_ask_person=may_ask_person))
                self.next_turn()

    def _stand_at_start(self) -> None:
        session = self.state.session
        if session is not None:
            self.state.session = session.changed(at=None, waits_for="start", attempts=0, delay_turn=None)

    def expire(self) -> None:
        """Apply a deadline that is due by this event's place in the log."""
        episode = self.state.episode
        if episode is not None and episode.deadline is not None and self.at >= episode.deadline:
            self.end(Cause.EXPIRED)

    def _episode(self) -> Episode:
        if self.state.episode is None:
            raise NoEpisode(self.state.id)
        return self.state.episode

    def _episode_fields(self) -> dict[str, Any]:
        episode = self._episode()
        return {
            "attended": episode.attended,
            "venue": episode.venue,
            "holder": episode.holder,
            "deadline": episode.deadline,
        }

    def _default_deadline(self) -> datetime | None:
        seconds = self.settings.takeover.default_session_expiry
        return None if seconds is None else self.at + timedelta(seconds=seconds)

    # --- a person speaks through us

    def deliver(self, event: OperatorReplies) -> None:
        """Send an operator's message: take the thread, send, and let it rest in Main again."""
        episode = self._episode()
        if self.thread_is_elsewhere():
            self._take()
        message = OutMessage(text=event.text, media=event.media)
        button = _button(episode.block, episode.id)
        if button and not episode.button_given:
            message = message.changed(quick_replies=button)
            self.state.episode = episode.changed(button_given=True)
        seq = self.entry()
        command = self.command(
            SendMessage,
            seq=seq,
            at=self.at,
            speaker=Speaker.OPERATOR,
            operator=event.operator,
            episode=episode.id,
            reply=event.id,
            client_id=event.client_id,
            message=message,
            then_pass=self.rests_in_main,
            retake=True,
            acted_at=self.state.acted_at,
            again=event.again,
        )
        if self.rests_in_main and self.channel:
            self._thread_goes(command, self.channel.page_inbox_app)
        self.remember(seq, Speaker.OPERATOR, message.preview, by=event.operator)

    def say_goodbye(self, block: RequestedBy, turn: str) -> None:
        """The bot's last message before the person, with the button of the episode that it leads to."""
        if not block.goodbye_message:
            return
        button = _button(block, _episode_id(self.state.id, self.state.epoch + 1))
        message = OutMessage(text=block.goodbye_message, quick_replies=button, block=block.block)
        self.say([message], turn=turn, then_pass=self.rests_in_main)

    # --- Facebook's thread

    @property
    def rests_in_main(self) -> bool:
        """Whether a conversation that a person has rests in the Page Inbox (Main)."""
        return bool(self.channel and self.channel.messenger_inbox_notification and self.channel.has_default_app)

    def thread_is_elsewhere(self) -> bool:
        known, owner = self.state.thread.expected
        return bool(self.channel) and known and owner != self._our_app()

    def _our_app(self) -> str | None:
        return self.channel.app_id if self.channel else None

    def rest_in_main(self) -> None:
        """Pass control to the Page Inbox, if this page works so and it does not have it (or will) already."""
        if self.channel is None or not self.rests_in_main:
            return
        known, owner = self.state.thread.expected
        if not (known and owner == self.channel.page_inbox_app):
            self.grant_thread()

    def grant_thread(self) -> None:
        """Pass control to the Page Inbox, unless a pass is under way."""
        under_way = self.state.thread.under_way
        if self.channel is not None and (not under_way or under_way[-1][1] != self.channel.page_inbox_app):
            command = self.command(PassThread, target=self.channel.page_inbox_app)
            self._thread_goes(command, self.channel.page_inbox_app)

    def take_back(self) -> None:
        """At an episode's end, unless it is known to be ours. Where there is no way back it is told."""
        known, owner = self.state.thread.expected
        if self.channel is None or (known and owner == self.channel.app_id):
            return
        if self.channel.has_default_app:
            self._take()
        elif known:  # told is the mirror, which a pass under way has not moved yet
            mirror = self.state.thread
            word = self.owner_word(mirror.owner) if mirror.known else "unknown"
            self.tell(ThreadChanged, owner=word, app_id=mirror.owner, reason=NO_WAY_BACK)

    def _take(self) -> None:
        self._thread_goes(self.command(TakeThread), self._our_app())

    def _thread_goes(self, command: str, owner: str | None) -> None:
        thread = self.state.thread
        self.state.thread = thread.changed(under_way=(*thread.under_way, (command, owner)))

    def thread_is(self, owner: str | None, *, occurred_at: datetime | None, reason: str = "") -> None:
        """Evidence of the thread's owner. The caller has judged whether it is newer than what is known.

        It did not happen after its place in the log: a clock that was ahead makes nothing old that comes later.
        """
        before = self.state.thread
        when = min(occurred_at or self.at, self.at)
        self.state.thread = Thread.made(
            known=True,
            owner=owner,
            occurred_at=max(when, before.occurred_at) if before.occurred_at else when,
            confirmed_at=self.at,
            kept_until=before.kept_until if before.owner == owner else None,
            under_way=before.under_way,
        )
        if (before.known, before.owner) != (True, owner):
            self.tell(ThreadChanged, owner=self.owner_word(owner), app_id=owner, reason=reason)

    def owner_word(self, owner: str | None) -> str:
        if owner is None:
            return "idle"
        if self.channel and owner == self.channel.page_inbox_app:
            return "page_inbox"
        return "us" if owner == self._our_app() else "other"

    def report_done(self, command: str) -> None:
        """A thread command was reported, whatever became of it."""
        thread = self.state.thread
        if thread.under_way:
            left = tuple(way for way in thread.under_way if way[0] != command)
            self.state.thread = thread.changed(under_way=left)

    def read_thread(self, why: Literal["message", "move", "check"] = "message") -> None:
        if self.state.reading is None:
            command = self.command(ReadThread)
            self.state.reading = Question.made(command=command, due_at=self.at + READ_TIMEOUT, why=why)

    # Facebook frees a thread after a day: then only the default app may send, and staff get no bell

    def watch_thread(self) -> None:
        """From the beginning of an episode, or anew from the customer's word after a long silence."""
        if self.state.check_at is None and self.channel is not None and self.channel.has_default_app:
            self.state.check_at = self.at + THREAD_TIME - EXTEND_BEFORE

    def thread_ran_out(self) -> bool:
        """Whether Facebook has freed the thread by itself, as far as we know what it counts from."""
        lapses = self._thread_lapses()
        return lapses is None or self.at >= lapses

    def _thread_lapses(self) -> datetime | None:
        thread, heard = self.state.thread, self.state.heard_at
        if thread.confirmed_at is None:
            return None
        counted = max(thread.confirmed_at, heard or thread.confirmed_at) + THREAD_TIME
        return max(counted, thread.kept_until or counted)

    def keep_thread(self) -> None:
        """In an episode, as long as a person may write: what is ours is extended before its time is over. The Page Inbox's

        cannot be, by anybody but itself; after its time the owner is read, and what is free is passed again.
        """
        channel, episode, thread = self.channel, self._episode(), self.state.thread
        self.state.check_at = None
        left = int(((self.state.heard_at or episode.started_at) + MAY_WRITE - self.at).total_seconds())
        if channel is None or not channel.has_default_app or left <= EXTEND_BEFORE.total_seconds():
            return
        extends = thread.known and thread.owner == channel.app_id and not self.rests_in_main
        lapses = self._thread_lapses()
        due = None if lapses is None else lapses - EXTEND_BEFORE if extends else lapses + FREE_AFTER
        if due is not None and self.at < due:
            self.state.check_at = due
            return
        self.watch_thread()
        if extends:
            self.command(ExtendThread, seconds=left)
        else:
            self.read_thread("check")

    def ask_name(self) -> None:
        if self.channel is not None and self.state.profile is None and self.state.naming is None:
            command = self.command(ReadProfile)
            self.state.naming = Question.made(command=command, due_at=self.at + NAME_TIMEOUT)


class NoEpisode(Exception):
    """A rule for a person's conversation met one that the bot has: a fault of ours."""

    def __init__(self, conversation: str) -> None:
        super().__init__(f"{conversation} has no episode")
        self.conversation = conversation


def _episode_id(conversation: str, epoch: int) -> str:
    return f"{conversation}/{epoch}"


def _button(block: RequestedBy | None, episode: str) -> tuple[QuickReply, ...]:
    if block is None or not block.back_to_bot_button:
        return ()
    return (QuickReply(title=block.back_to_bot_button, payload=back_payload(episode)),)


def _with_length(episode: Episode, at: datetime, length: int | None, *, fixed: bool) -> Episode:
    deadline = None if length is None else at + timedelta(seconds=length)
    return episode.changed(deadline=deadline, length=length, fixed=fixed)


def _unanswered(state: Conversation) -> Iterable[int]:
    """The customer's entries that no turn has answered yet."""
    if state.turn is not None:
        yield from state.turn.asked.seqs
    for asked in state.queue:
        yield from asked.seqs


def _joined(last: QueuedInput, extra: QueuedInput) -> QueuedInput:
    """Two inputs as one: both texts, the later click."""
    first, second = last.input.message, extra.input.message
    if first is None or second is None:
        return last
    message = second.changed(
        text=f"{first.text}\n{second.text}".strip(), attachments=(*first.attachments, *second.attachments)
    )
    return last.changed(seqs=(*last.seqs, *extra.seqs), input=last.input.changed(message=message))


def customer_input(message: CustomerMessage, seq: int) -> QueuedInput:
    return QueuedInput.made(seqs=(seq,), input=TurnInput.made(reason="message", message=message.input))
