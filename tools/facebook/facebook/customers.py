"""What a customer does in Messenger."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from facebook import events, thread
from facebook.conversation import Conversation, Line
from facebook.events import Kind, Media, QuickReplyPicked
from facebook.pages import Page
from facebook.record import Choice, CustomerAct, CustomerActed
from facebook.shapes import Event
from facebook.thread import LEAD_GEN, Change, customer_acted
from facebook.world import Act, Action, Told, Webhook, World, webhooks


class NotOffered(LookupError):
    """The customer does not see such a quick reply now."""


class NoLeadFlow(Exception):
    """No lead advertisement asks its questions in the conversation."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a customer writes. `more` goes into the message, `beside` beside it, both as they are."""

    text: str | None = None
    media: tuple[Media, ...] = ()
    reply_to: str | None = None
    more: Mapping[str, JsonValue] = field(default_factory=dict)
    beside: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeadEnd:
    """How a lead advertisement's questions end. `target`: the app that gets the thread; None: it is released."""

    is_complete: bool = True
    target: str | None = None
    ad_id: str = "120210000000001"
    answers: Mapping[str, str] = field(default_factory=dict)
    summary: str | None = None


def say(world: World, page: Page, psid: str, said: Said) -> Act:
    """`reply_to` may be unknown here, as on Facebook."""
    conversation = world.conversation(page.id, psid)
    mid = world.ids.message()
    _arrived(world, page, conversation)
    first = said.media[0] if said.media else None
    seq = world.record.add(
        CustomerActed(
            page_id=page.id,
            psid=psid,
            action="message",
            mid=mid,
            text=said.text,
            attachment_url=first.url if first else None,
        )
    )
    conversation.say(
        Line(
            at=world.now(),
            side="customer",
            mid=mid,
            text=said.text,
            attachment_type=first.type if first else None,
            attachment_url=first.url if first else None,
            reply_to=said.reply_to,
        )
    )
    more = dict(said.more)
    if said.reply_to is not None:
        quoted = conversation.line(said.reply_to)
        more["reply_to"] = {"mid": said.reply_to, "is_self_reply": quoted is not None and quoted.side == "customer"}
    sides = world.sides(conversation)
    event = events.message(sides, mid, said.text, said.media, more, stickers=page.shapes.stickers)
    event |= dict(said.beside)
    return Act(seq, tuple(world.tell(page, conversation, Told("message", lambda _app, _channel: event, mid))), mid)


def pick(world: World, page: Page, psid: str, wanted: QuickReplyPicked) -> Act:
    """Clicks a quick reply. Whether it is on offer is the caller's question: see `on_offer`."""
    conversation = world.conversation(page.id, psid)
    mid = world.ids.message()
    _arrived(world, page, conversation)
    seq = _clicked(world, page, conversation, "quick_reply", mid, wanted.title, wanted.payload)
    sides = world.sides(conversation)
    shown = page.behaviour.standby_quick_reply_payload
    told = Told(
        "quick_reply",
        lambda _app, channel: events.quick_reply(sides, mid, wanted, with_payload=shown or channel == "messaging"),
        mid,
    )
    return Act(seq, tuple(world.tell(page, conversation, told)), mid)


def on_offer(world: World, page: Page, psid: str, title: str | None, payload: str | None) -> QuickReplyPicked:
    """The quick reply with this title or payload among those the customer sees. Raises NotOffered."""
    offered = world.conversation(page.id, psid).offered()
    for choice in offered:
        if choice.title == title or (title is None and choice.payload == payload):
            return QuickReplyPicked(choice.title, choice.payload or "")
    raise NotOffered(f"on offer now: {_named(offered) or 'no quick reply'}")


def press(
    world: World, page: Page, psid: str, payload: str, title: str, referral: Mapping[str, JsonValue] | None = None
) -> Act:
    """Clicks a button: a postback. The app that sent the button always learns the payload."""
    conversation = world.conversation(page.id, psid)
    mid = world.ids.message()
    sender = conversation.sender_of(payload)
    _arrived(world, page, conversation)
    seq = _clicked(world, page, conversation, "postback", mid, title, payload)
    sides = world.sides(conversation)
    came = dict(referral) if referral is not None else None
    told = Told(
        "postback",
        lambda _app, channel: events.postback(
            sides, mid, title, payload, with_payload=channel == "messaging", referral=came
        ),
        mid,
        always=sender,
    )
    return Act(seq, tuple(world.tell(page, conversation, told)), mid)


def read(world: World, page: Page, psid: str) -> Act:
    conversation = world.conversation(page.id, psid)
    seq = _acted(world, conversation, "read")
    event = events.read(world.sides(conversation))
    hooks: list[Webhook] = world.tell(page, conversation, Told("read", lambda _app, _channel: event))
    return Act(seq, webhooks(hooks))


def deliver(world: World, page: Page, psid: str, mids: tuple[str, ...] | None) -> Act:
    """What the customer's device got. `mids` None: only up to when, as Facebook sometimes says it."""
    conversation = world.conversation(page.id, psid)
    seq = _acted(world, conversation, "delivery")
    return _told(world, page, conversation, seq, "delivery", events.delivery(world.sides(conversation), mids))


def edit(world: World, page: Page, psid: str, mid: str, text: str) -> Act:
    """Raises UnknownMessage."""
    conversation = world.conversation(page.id, psid)
    before = conversation.line(mid)
    times = before.edits + 1 if before else 1
    conversation.change(mid, own=True, update={"text": text, "edits": times})
    seq = _acted(world, conversation, "edit", mid, text)
    return _told(world, page, conversation, seq, "edit", events.edited(world.sides(conversation), mid, text, times))


def unsend(world: World, page: Page, psid: str, mid: str) -> Act:
    """Raises UnknownMessage."""
    conversation = world.conversation(page.id, psid)
    gone = {"deleted": True, "text": None, "attachment_type": None, "attachment_url": None, "payload": None}
    conversation.change(mid, own=True, update=gone)
    seq = _acted(world, conversation, "unsend", mid)
    return _told(world, page, conversation, seq, "deleted", events.deleted(world.sides(conversation), mid), mid)


def react(world: World, page: Page, psid: str, mid: str, name: str, emoji: str | None) -> Act:
    """A reaction opens the messaging window; taking it back (`emoji` None) does not. Raises UnknownMessage."""
    conversation = world.conversation(page.id, psid)
    conversation.change(mid, own=False, update={"reaction": emoji})
    if emoji is not None:
        conversation.last_customer_at = world.now()
    seq = _acted(world, conversation, "reaction", mid, emoji)
    event = events.reaction(world.sides(conversation), mid, name, emoji)
    return _told(world, page, conversation, seq, "reaction", event)


def come(world: World, page: Page, psid: str, referral: Mapping[str, JsonValue]) -> Act:
    """Enters the conversation by a link or an advertisement, which opens the messaging window."""
    conversation = world.conversation(page.id, psid)
    _arrived(world, page, conversation)
    seq = _acted(world, conversation, "referral", text=str(referral.get("ref") or ""))
    event = events.plain(world.sides(conversation), "referral", dict(referral))
    return _told(world, page, conversation, seq, "referral", event)


def opt_in(world: World, page: Page, psid: str, optin: Mapping[str, JsonValue]) -> Act:
    """With a `user_ref` the sender is not known yet."""
    conversation = world.conversation(page.id, psid)
    seq = _acted(world, conversation, "optin")
    build = events.anonymous if "user_ref" in optin else events.plain
    return _told(world, page, conversation, seq, "optin", build(world.sides(conversation), "optin", dict(optin)))


def link_account(world: World, page: Page, psid: str, code: str | None) -> Act:
    """`code` None: unlinks it."""
    conversation = world.conversation(page.id, psid)
    seq = _acted(world, conversation, "account_linking")
    event = events.account_linking(world.sides(conversation), code)
    return _told(world, page, conversation, seq, "account_linking", event)


def ask_to_write(world: World, page: Page, psid: str) -> Act:
    """The message request of somebody whom the page did not write to before: a bare word."""
    conversation = world.conversation(page.id, psid)
    seq = _acted(world, conversation, "message_request")
    event = events.plain(world.sides(conversation), "message_request", "accept")
    return _told(world, page, conversation, seq, "message_request", event)


def begin_lead(world: World, page: Page, psid: str) -> Act:
    """Clicks a lead advertisement: its questions hold the thread, and apps hear nothing until they end."""
    conversation = world.conversation(page.id, psid)
    conversation.last_customer_at = world.now()
    seq = _acted(world, conversation, "lead_begin")
    change = thread.lead_flow_begins(page.routing, world.now())
    _, hooks = world.change(page, conversation, change, action="assign", source="customer", by=LEAD_GEN)
    return Act(seq, tuple(hooks))


def end_lead(world: World, page: Page, psid: str, end: LeadEnd) -> Act:
    """The thread is passed or released; then the outcome, and the summary that Facebook writes for the customer.

    Raises NoLeadFlow; GraphError for a target that is not connected.
    """
    conversation = world.conversation(page.id, psid)
    if world.owner(page, conversation) != LEAD_GEN:
        raise NoLeadFlow("no lead advertisement asks its questions here")
    change = thread.lead_flow_ends(conversation.thread, page.routing, end.target, world.now())
    seq = _acted(world, conversation, "lead_end")
    action: Action = "release" if end.target is None else "pass"
    _, passed = world.change(page, conversation, change, action=action, source="customer", by=LEAD_GEN)
    _arrived(world, page, conversation)
    outcome: Event = {"source": "ADS", "type": f"LEAD_{'' if end.is_complete else 'IN'}COMPLETE", "ad_id": end.ad_id}
    event = events.plain(world.sides(conversation), "referral", outcome)
    event["lead"] = {"data": [{"question": asked, "answer": answer} for asked, answer in end.answers.items()]}
    told = world.tell(page, conversation, Told("referral", lambda _app, _channel: event))
    if end.summary is None:
        return Act(seq, webhooks(passed, told))
    hop: JsonValue = [{"app_id": int(LEAD_GEN), "metadata": "messenger_lead_gen"}]
    summary = say(world, page, psid, Said(end.summary, beside={"hop_context": hop}))
    return Act(seq, webhooks(passed, told, summary.webhooks), summary.mid)


def _arrived(world: World, page: Page, conversation: Conversation) -> None:
    """Opens the messaging window and renews thread control; an idle thread becomes the default app's, silently."""
    now = world.now()
    owner = world.owner(page, conversation)
    conversation.last_customer_at = now
    change = Change(customer_acted(conversation.thread, page.routing, now))
    if owner is None and change.thread.owner is not None:
        world.change(page, conversation, change, action="assign", source="customer", by=None)
    conversation.thread = change.thread


def _clicked(
    world: World, page: Page, conversation: Conversation, action: CustomerAct, mid: str, title: str, payload: str
) -> int:
    conversation.say(Line(at=world.now(), side="customer", mid=mid, text=title, payload=payload))
    return world.record.add(
        CustomerActed(page_id=page.id, psid=conversation.psid, action=action, mid=mid, text=title, payload=payload)
    )


def _acted(
    world: World, conversation: Conversation, action: CustomerAct, mid: str | None = None, text: str | None = None
) -> int:
    fact = CustomerActed(page_id=conversation.page_id, psid=conversation.psid, action=action, mid=mid, text=text)
    return world.record.add(fact)


def _told(
    world: World, page: Page, conversation: Conversation, seq: int, kind: Kind, event: Event, mid: str | None = None
) -> Act:
    return Act(seq, tuple(world.tell(page, conversation, Told(kind, lambda _app, _channel: event, mid))))


def _named(choices: tuple[Choice, ...]) -> str:
    return ", ".join(choice.title for choice in choices)
