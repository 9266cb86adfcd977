"""What a customer does in Messenger."""

from facebook import events
from facebook.conversation import Conversation, Line
from facebook.events import Media, QuickReplyPicked
from facebook.pages import Page
from facebook.record import Choice, CustomerActed
from facebook.thread import Change, customer_acted
from facebook.world import Act, Told, Webhook, World, webhooks


class NotOffered(LookupError):
    """The customer does not see such a quick reply now."""


def say(world: World, page: Page, psid: str, text: str | None, media: Media | None) -> Act:
    conversation = world.conversation(page.id, psid)
    mid = world.ids.message()
    _arrived(world, page, conversation)
    seq = world.record.add(
        CustomerActed(
            page_id=page.id,
            psid=psid,
            action="message",
            mid=mid,
            text=text,
            attachment_url=media.url if media else None,
        )
    )
    conversation.say(
        Line(
            at=world.now(),
            side="customer",
            mid=mid,
            text=text,
            attachment_type=media.type if media else None,
            attachment_url=media.url if media else None,
        )
    )
    event = events.message(world.sides(conversation), mid, text, media)
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


def press(world: World, page: Page, psid: str, payload: str, title: str) -> Act:
    """Clicks a button: a postback. The app that sent the button always learns the payload."""
    conversation = world.conversation(page.id, psid)
    mid = world.ids.message()
    sender = conversation.sender_of(payload)
    _arrived(world, page, conversation)
    seq = _clicked(world, page, conversation, "postback", mid, title, payload)
    sides = world.sides(conversation)
    told = Told(
        "postback",
        lambda _app, channel: events.postback(sides, mid, title, payload, with_payload=channel == "messaging"),
        mid,
        always=sender,
    )
    return Act(seq, tuple(world.tell(page, conversation, told)), mid)


def read(world: World, page: Page, psid: str) -> Act:
    conversation = world.conversation(page.id, psid)
    seq = world.record.add(CustomerActed(page_id=page.id, psid=psid, action="read"))
    event = events.read(world.sides(conversation))
    hooks: list[Webhook] = world.tell(page, conversation, Told("read", lambda _app, _channel: event))
    return Act(seq, webhooks(hooks))


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
    world: World, page: Page, conversation: Conversation, action: str, mid: str, title: str, payload: str
) -> int:
    conversation.say(Line(at=world.now(), side="customer", mid=mid, text=title, payload=payload))
    return world.record.add(
        CustomerActed.model_validate(
            {
                "page_id": page.id,
                "psid": conversation.psid,
                "action": action,
                "mid": mid,
                "text": title,
                "payload": payload,
            }
        )
    )


def _named(choices: tuple[Choice, ...]) -> str:
    return ", ".join(choice.title for choice in choices)
