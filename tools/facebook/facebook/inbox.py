"""What the page's staff do in the Page Inbox."""

from typing import Literal

from facebook import events, thread
from facebook.conversation import Conversation, Line
from facebook.errors import NotController
from facebook.pages import Page
from facebook.record import InboxActed
from facebook.thread import PAGE_INBOX, Change, Passed, Requested, Taken
from facebook.world import Act, Action, Told, Webhook, World, webhooks


class NotPossible(Exception):
    """The Page Inbox has no such gesture for the conversation as it is now."""


def reply(world: World, page: Page, psid: str, text: str) -> Act:
    """The inbox takes control when it does not hold the thread; where it is no receiver it only speaks.

    With the older roles it asks for control.
    """
    conversation = world.conversation(page.id, psid)
    taken: list[Webhook] = []
    if page.inbox_is_receiver:
        moving = thread.inbox_requests if page.primary is not None else thread.inbox_takes
        change = moving(conversation.thread, page.routing, world.now())
        taken = _changed(world, page, conversation, change)
    mid = world.ids.message()
    conversation.say(Line(at=world.now(), side="inbox", mid=mid, app_id=PAGE_INBOX, text=text))
    seq = _acted(world, conversation, "reply", mid, text)
    sides = world.sides(conversation)
    echo = events.echo(sides, mid, PAGE_INBOX, text=text, attachment=None, metadata=None)
    echoes = world.tell(page, conversation, Told("echo", lambda _app, _channel: echo, mid))
    return Act(seq, webhooks(taken, echoes), mid)


def move_to_main(world: World, page: Page, psid: str) -> Act:
    """Raises NotPossible."""
    conversation = _conversation(world, page, psid)
    if conversation.folder(page.routing, world.now()) == "main" and world.owner(page, conversation) == PAGE_INBOX:
        raise NotPossible("the conversation is in Main already")
    moving = thread.inbox_requests if page.inbox_asks else thread.inbox_takes
    change = moving(conversation.thread, page.routing, world.now())
    seq = _acted(world, conversation, "move_to_main")
    return Act(seq, webhooks(_changed(world, page, conversation, change)))


def move_to_done(world: World, page: Page, psid: str) -> Act:
    """Raises NotPossible."""
    conversation = _conversation(world, page, psid)
    try:
        change = thread.inbox_done(conversation.thread, page.routing, world.now(), page.behaviour.done)
    except NotController:
        raise NotPossible("the conversation is not in Main: the Page Inbox does not hold it") from None
    seq = _acted(world, conversation, "move_to_done")
    return Act(seq, webhooks(_changed(world, page, conversation, change)))


def _conversation(world: World, page: Page, psid: str) -> Conversation:
    if not page.inbox_is_receiver:
        raise NotPossible("the Page Inbox is no receiver of this page: every conversation is in Main")
    return world.conversation(page.id, psid)


def _acted(
    world: World,
    conversation: Conversation,
    gesture: Literal["reply", "move_to_main", "move_to_done"],
    mid: str | None = None,
    text: str | None = None,
) -> int:
    return world.record.add(
        InboxActed(page_id=conversation.page_id, psid=conversation.psid, gesture=gesture, mid=mid, text=text)
    )


def _changed(world: World, page: Page, conversation: Conversation, change: Change) -> list[Webhook]:
    if change == Change(conversation.thread):
        return []
    _, hooks = world.change(page, conversation, change, action=_action(change), source="inbox", by=PAGE_INBOX)
    return hooks


def _action(change: Change) -> Action:
    match change.notice:
        case Passed(new=new) if new != PAGE_INBOX:
            return "pass"
        case Requested():
            return "request"
        case Taken() | Passed():
            return "take"
        case None:
            return "release" if change.thread.owner is None else "take"
