"""The transcript's rules, pure: how a record of `outcomes` or `messenger.commands` changes what operators see.

The two topics come in any order to each other; each is in order in itself. Everything that follows from `outcomes` alone
is set as it is told; what both tell (the newest entry, the first answer) is kept by its greatest `seq` or earliest time;
an entry is complete once all that is known of it has come, whichever came first.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from console.problems import Present
from console.state import Decided, Delivered, EntryPatch, EpisodePatch, Erased, Received, View, Written
from console.views import (
    AnsweredContent,
    ChangedContent,
    Content,
    CustomerContent,
    EndedContent,
    MessageContent,
    StaffContent,
    StartedContent,
    SuppressedContent,
)
from schemas.base import BaseEvent, ConversationEvent, ConversationId
from schemas.commands import Erase, SendMessage
from schemas.handover import Cause
from schemas.messages import Attachment, Profile, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    AssignmentChanged,
    BotPosition,
    CommandAccepted,
    CommandRefused,
    ConversationErased,
    CustomerKnown,
    CustomerReturned,
    CustomerSaid,
    DeliveryChanged,
    EpisodeOutcome,
    MessageDeleted,
    MessageEdited,
    MessageReacted,
    MessagesReceived,
    Outcome,
    StaffSaid,
    TakeoverAnswered,
    TakeoverEnded,
    TakeoverStarted,
    ThreadChanged,
)

PREVIEW: Final = 200  # characters of the list's line
TAKEN_BACK: Final = "[deleted]"


class Batch:
    """Records folded over the views that they concern: what has to be written, once each."""

    def __init__(self, views: Iterable[View]) -> None:
        self.views = {view.id: replace(view) for view in views}
        self.changed: set[str] = set()
        self.entries: dict[tuple[str, int], EntryPatch] = {}
        self.episodes: dict[str, EpisodePatch] = {}
        self.decisions: dict[str, Decided] = {}
        self.erased: dict[str, Erased] = {}
        self.notes: list[MessageEdited | MessageDeleted | MessageReacted] = []
        """What customers did with messages, in its order."""
        self.received: dict[tuple[str, Literal["delivered", "seen"]], Received] = {}

    def take(self, event: ConversationEvent) -> None:
        """Fold one record in. Its conversation's view has to be there."""
        match event:
            case SendMessage():
                self._sent(event)
            case Erase():
                self._erased(event.conversation, event.seq, event.at)
            case EpisodeOutcome():
                self._episode(event)
            case Outcome():
                self._acted(event)
                self._outcome(event)
            case _:
                return  # the other commands are nothing to see

    # --- what was said, by whom

    def _sent(self, event: SendMessage) -> None:
        name = event.operator.name if event.operator else ""
        content = MessageContent(
            message=event.message,
            command=event.id,
            reply=event.reply,
            client_id=event.client_id,
            turn=event.turn,
            again=event.again,
        )
        self._entry(
            event,
            Written(event.at, event.epoch, event.episode, event.speaker, event.operator, event.message.text, content),
        )
        self._said(event.conversation, event.seq, event.at, event.speaker, name, event.message.preview)
        if event.speaker is Speaker.OPERATOR and event.episode:
            self._episode_known(EpisodePatch(event.episode, event.conversation, first_answer_at=event.at))

    def _customer_said(self, event: CustomerSaid) -> None:
        content = CustomerContent(input=event.input, addressed=event.addressed, channel=event.channel, mid=event.mid)
        self._entry(event, _written(event, Speaker.CUSTOMER, event.input.text, content))
        view = self.views[event.conversation]
        preview = event.input.text or _attached(event.input.attachments)
        self._said(event.conversation, event.seq, event.at, Speaker.CUSTOMER, view.customer_name, preview)
        if event.seq > view.customer_seq:  # else it was counted
            unread = view.unread + (event.seq > view.read_seq)
            self._change(event.conversation, customer_seq=event.seq, unread=unread)

    def _staff_said(self, event: StaffSaid) -> None:
        content = StaffContent(
            automatic=event.automatic, app_id=event.app_id, attachments=event.attachments, mid=event.mid
        )
        self._entry(event, _written(event, Speaker.STAFF, event.text, content))
        preview = event.text or _attached(event.attachments)
        self._said(event.conversation, event.seq, event.at, Speaker.STAFF, "", preview)
        if event.episode and not event.automatic:
            self._episode_known(EpisodePatch(event.episode, event.conversation, first_answer_at=event.at))

    def _said(self, conversation: str, seq: int, at: datetime, speaker: Speaker, name: str, text: str) -> None:
        if seq > self.views[conversation].last_seq:
            self._change(
                conversation,
                last_seq=seq,
                last_speaker=speaker,
                last_name=name,
                last_text=_line(text),
                last_said_at=at,
            )

    # --- whose the conversation is

    def _episode(self, event: EpisodeOutcome) -> None:
        holder = event.holder
        self._told(
            event,
            owner="human",
            episode=event.episode,
            attended=event.attended,
            venue=event.venue,
            holder_id=holder.id if holder else None,
            holder_name=holder.name if holder else None,
            deadline=event.deadline,
            assigned_id=None,  # they hold it now, or somebody else was quicker
            assigned_name=None,
        )
        match event:
            case TakeoverStarted():
                self._started(event)
            case TakeoverAnswered():
                self._answered(event)
            case _:
                changed = ChangedContent(venue=event.venue, holder=holder, deadline=event.deadline)
                self._entry(event, _written(event, None, "", changed))

    def _answered(self, event: TakeoverAnswered) -> None:
        content = AnsweredContent(by=event.by, venue=event.venue, holder=event.holder, deadline=event.deadline)
        self._entry(event, _written(event, None, "", content))
        if event.episode:
            # an operator who begins an episode is named by the taking up that follows at once
            by = event.holder if self.views[event.conversation].cause is Cause.OPERATOR else None
            self._episode_known(EpisodePatch(event.episode, event.conversation, by=by, attended_at=event.at))

    def _started(self, event: TakeoverStarted) -> None:
        self._change(
            event.conversation,
            cause=event.cause,
            inferred=event.inferred,
            fault=event.fault,
            block=event.block,
            block_name=event.block_name,
            since=event.at,
            **_known_customer(event.customer),
        )
        content = StartedContent(
            cause=event.cause,
            inferred=event.inferred,
            block=event.block,
            block_name=event.block_name,
            attended=event.attended,
            venue=event.venue,
            holder=event.holder,
            deadline=event.deadline,
            emails=event.emails,
            fault=event.fault,
        )
        self._entry(event, _written(event, None, "", content))
        for seq in event.taken:
            self._patch(EntryPatch(event.conversation, seq, taken=True))
        if event.episode:
            self._episode_known(
                EpisodePatch(
                    event.episode,
                    event.conversation,
                    cause=event.cause,
                    inferred=event.inferred,
                    by=event.holder,
                    block=event.block,
                    block_name=event.block_name,
                    started_at=event.at,
                    attended_at=event.at if event.attended else None,
                )
            )

    def _ended(self, event: TakeoverEnded) -> None:
        self._change(
            event.conversation,
            owner="bot",
            episode=None,
            attended=False,
            venue=None,
            holder_id=None,
            holder_name=None,
            deadline=None,
            cause=event.cause,
            inferred=False,
            fault="",
            block="",
            block_name="",
            since=event.at,
            moved_to_done=False,
        )
        content = EndedContent(
            cause=event.cause, mode=event.mode, by=event.by, note=event.note, answered=event.answered
        )
        self._entry(event, _written(event, None, "", content))
        if event.episode:
            self._episode_known(
                EpisodePatch(
                    event.episode,
                    event.conversation,
                    ended_at=event.at,
                    end_cause=event.cause,
                    ended_by=event.by,
                    mode=event.mode,
                    note=event.note,
                    answered=event.answered,
                )
            )

    # --- the rest

    def _acted(self, event: Outcome) -> None:
        if isinstance(event, CustomerSaid | CustomerReturned | MessageReacted) and event.acted_at is not None:
            self._change(event.conversation, acted_at=event.acted_at)

    def _outcome(self, event: Outcome) -> None:
        self._told(event)
        match event:
            case CustomerSaid():
                self._customer_said(event)
            case StaffSaid():
                self._staff_said(event)
            case TakeoverEnded():
                self._ended(event)
            case AnswerSuppressed():
                text = "\n".join(message.text for message in event.messages)
                content = SuppressedContent(turn=event.turn, turn_epoch=event.turn_epoch, messages=event.messages)
                self._entry(event, _written(event, Speaker.BOT, text, content))
            case DeliveryChanged():
                delivered = Delivered(
                    event.state,
                    event.reason,
                    event.mid,
                    event.next_step,
                    sent_at=event.at if event.state == "sent" else None,
                )
                self._patch(EntryPatch(event.conversation, event.message_seq, delivered=delivered))
            case ThreadChanged():
                self._change(
                    event.conversation,
                    thread_owner=event.owner,
                    thread_app=event.app_id,
                    thread_reason=event.reason,
                    moved_to_done=event.moved_to_done,
                )
            case AssignmentChanged():
                assigned = event.assigned
                self._change(
                    event.conversation,
                    assigned_id=assigned.id if assigned else None,
                    assigned_name=assigned.name if assigned else None,
                )
            case CustomerKnown():
                self._change(event.conversation, **_known_customer(event.profile))
            case BotPosition():
                self._change(
                    event.conversation,
                    flow=event.flow,
                    flow_block=event.block,
                    waits_for=event.waits_for,
                    attributes=event.attributes,
                )
            case CommandAccepted() | CommandRefused():
                self.decisions[event.command] = self._decided(event)
            case ConversationErased():
                self._change(event.conversation, customer_name="", picture_url="", attributes={}, fault="")
                self._erased(event.conversation, event.seq, event.at)
            case _:
                self._of_messages(event)

    def _of_messages(self, event: Outcome) -> None:
        """What became of messages that are there. A notice to bot builders is nothing of the conversation's."""
        match event:
            case MessageEdited() | MessageDeleted() | MessageReacted():
                self._noted(event)
            case MessagesReceived():
                place, told = (event.conversation, event.state), Received(event.seq, event.until, event.mids)
                self.received[place] = self.received[place].then(told) if place in self.received else told
            case _:
                pass

    def _noted(self, event: MessageEdited | MessageDeleted | MessageReacted) -> None:
        self.notes.append(event)
        if not isinstance(event, MessageReacted) and event.message_seq == self.views[event.conversation].last_seq:
            text = _line(event.text) if isinstance(event, MessageEdited) else TAKEN_BACK
            self._change(event.conversation, last_text=text)

    def _erased(self, conversation: str, seq: int, at: datetime) -> None:
        """Told by both topics: what either had told before is forgotten whichever comes last."""
        view = self.views[conversation]
        if view.last_seq <= seq:
            name = "" if view.last_speaker == Speaker.CUSTOMER else view.last_name  # a row has the bare word
            self._change(conversation, last_text="", last_name=name)
        self.erased[conversation] = Erased(conversation, seq, at)

    def _decided(self, event: CommandAccepted | CommandRefused) -> Decided:
        if isinstance(event, CommandAccepted):
            return Decided(event.command, event.conversation, "accepted", event.at)
        deadline = self.views[event.conversation].deadline if event.owner == "human" else None
        present = Present(
            owner=event.owner, epoch=event.epoch, holder=event.holder, since=event.since, deadline=deadline
        )
        return Decided(
            event.command,
            event.conversation,
            "refused",
            event.at,
            code=event.code,
            reason=event.reason,
            present=present,
            newer=event.newer,
        )

    # --- writing down

    def _told(self, event: Outcome, **fields: object) -> None:
        """What every outcome tells, and `fields`."""
        seq = max(self.views[event.conversation].seq, event.seq)
        self._change(event.conversation, bot=event.bot, epoch=event.epoch, seq=seq, **fields)

    def _entry(self, event: SendMessage | Outcome, written: Written) -> None:
        view = self.views[event.conversation]
        last_at = max(view.last_at, event.at) if view.begun else event.at
        self._change(event.conversation, seq=max(view.seq, event.seq), last_at=last_at, begun=True)
        self._patch(EntryPatch(event.conversation, event.seq, written=written))

    def _patch(self, patch: EntryPatch) -> None:
        place = (patch.conversation, patch.seq)
        before = self.entries.get(place)
        self.entries[place] = before.then(patch) if before else patch

    def _episode_known(self, patch: EpisodePatch) -> None:
        before = self.episodes.get(patch.id)
        self.episodes[patch.id] = before.then(patch) if before else patch

    def _change(self, conversation: str, **fields: object) -> None:
        view = self.views[conversation]
        for name, value in fields.items():  # the names are View's own; a wrong one raises at once
            if getattr(view, name) != value:
                setattr(view, name, value)
                self.changed.add(conversation)


def concerns(event: BaseEvent) -> bool:
    """Whether the transcript takes the record in: commands but SendMessage, and a page's own events, are nothing to see."""
    if not isinstance(event, SendMessage | Erase | Outcome):
        return False
    return not ConversationId.parse(event.conversation).is_page


def new_view(event: SendMessage | Erase | Outcome) -> View:
    """A conversation of which nothing is known but its first record."""
    return View(event.conversation, ConversationId.parse(event.conversation).channel, event.at)


def read_up_to(view: View, seq: int, newer_of_customer: int) -> View:
    """An operator has seen the entries up to `seq`; `newer_of_customer`: how many the customer wrote after it."""
    return view if seq <= view.read_seq else replace(view, read_seq=seq, unread=newer_of_customer)


def _written(event: Outcome, speaker: Speaker | None, text: str, content: Content) -> Written:
    return Written(event.at, event.epoch, event.episode, speaker, None, text, content)


def _known_customer(profile: Profile) -> dict[str, object]:
    known = {"customer_name": profile.name, "picture_url": profile.picture_url}
    return {name: value for name, value in known.items() if value}


def _attached(attachments: tuple[Attachment, ...]) -> str:
    return f"[{attachments[0].kind}]" if attachments else ""


def _line(text: str) -> str:
    return " ".join(text[: 4 * PREVIEW].split())[:PREVIEW]
