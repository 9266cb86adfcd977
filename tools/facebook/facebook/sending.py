"""What an app does by the Send API and the thread-control calls."""

from datetime import timedelta
from typing import Literal

from facebook import events, thread
from facebook.conversation import (
    HUMAN_AGENT_WINDOW,
    Conversation,
    Line,
    media,
    offered_buttons,
    offered_quick_replies,
    shown_text,
)
from facebook.errors import (
    AttachmentNotOwned,
    HumanAgentNotApproved,
    InvalidParameter,
    OutsideWindow,
    PersonUnavailable,
)
from facebook.events import Sides
from facebook.limits import ControlRequest, MediaAttachment, Message, SendRequest, attachment_ids
from facebook.record import Call, Sent
from facebook.registry import Caller
from facebook.thread import Change, Taken, Thread
from facebook.world import Act, Action, Told, Webhook, World, webhooks

Control = Literal["pass", "take", "request", "release", "extend"]

CALL_OF: dict[Control, Call] = {
    "pass": "pass_thread_control",
    "take": "take_thread_control",
    "request": "request_thread_control",
    "release": "release_thread_control",
    "extend": "extend_thread_control",
}


def send(world: World, caller: Caller, request: SendRequest) -> Act:
    """Raises GraphError; then nothing has changed."""
    page = caller.page
    _check_person(world, caller, request)
    conversation = world.conversation(page.id, request.recipient.id)
    speaking = thread.send(
        conversation.thread, page.routing, caller.app.id, world.now(), human_agent=request.human_agent
    )
    if request.message is None:
        return _sender_action(world, caller, conversation, request)
    _check_mentions(world, caller, conversation, request, request.message)
    _check_window(world, conversation, request)
    riding = _riding(world, caller, speaking.thread, request)
    return _say(world, caller, conversation, request, request.message, speaking, riding)


def control(world: World, caller: Caller, action: Control, request: ControlRequest) -> Act:
    """Raises GraphError; then nothing has changed."""
    page = caller.page
    world.registry.person(page.id, request.recipient.id)
    conversation = world.conversation(page.id, request.recipient.id)
    change = _decide(world, caller, conversation.thread, action, request)
    seq, hooks = world.change(
        page, conversation, change, action=action, source="api", by=caller.app.id, metadata=request.metadata
    )
    return Act(seq, tuple(hooks), answer=world.faults.after(page.id, CALL_OF[action]))


def _decide(world: World, caller: Caller, now_thread: Thread, action: Control, request: ControlRequest) -> Change:
    routing, app, now = caller.page.routing, caller.app.id, world.now()
    match action:
        case "pass":
            return thread.pass_control(now_thread, routing, app, request.target_app_id, now)
        case "take":
            return thread.take_control(now_thread, routing, app, now)
        case "request":
            return thread.request_control(now_thread, routing, app, now)
        case "release":
            return thread.release_control(now_thread, routing, app, now)
        case "extend":
            if request.duration is None:
                raise InvalidParameter("The parameter duration is required")
            return thread.extend_control(now_thread, routing, app, timedelta(seconds=request.duration), now)


def _check_person(world: World, caller: Caller, request: SendRequest) -> None:
    page = caller.page
    person = world.registry.person(page.id, request.recipient.id)
    if person.blocked:
        raise PersonUnavailable
    if request.human_agent and not page.behaviour.human_agent:
        raise HumanAgentNotApproved
    if request.persona_id is not None and (page.id, request.persona_id) not in world.personas:
        raise InvalidParameter("Param persona_id is not a persona of this page")


def _check_window(world: World, conversation: Conversation, request: SendRequest) -> None:
    tagged = request.messaging_type == "MESSAGE_TAG" and request.human_agent
    open_now = (
        conversation.window_open(world.now(), HUMAN_AGENT_WINDOW) if tagged else conversation.window_open(world.now())
    )
    if not open_now:
        raise OutsideWindow


def _check_mentions(
    world: World, caller: Caller, conversation: Conversation, request: SendRequest, message: Message
) -> None:
    """What the message names has to exist: the message it answers, an attachment that was uploaded."""
    if request.reply_to is not None and conversation.line(request.reply_to.mid) is None:
        raise InvalidParameter("Param reply_to[mid] is not a message of this conversation")
    for attachment_id in attachment_ids(message):
        if (caller.page.id, attachment_id) not in world.attachments:
            raise AttachmentNotOwned


def _riding(world: World, caller: Caller, speaking: Thread, request: SendRequest) -> Change | None:
    control = request.thread_control
    if control is None:
        return None
    return thread.ride(speaking, caller.page.routing, caller.app.id, control.control_type, control.app_id, world.now())


def _sender_action(world: World, caller: Caller, conversation: Conversation, request: SendRequest) -> Act:
    if request.sender_action == "typing_on":
        conversation.typing_at = world.now()
    elif request.sender_action == "typing_off":
        conversation.typing_at = None
    if request.payload is not None and conversation.line(request.payload.message_id) is None:
        raise InvalidParameter("Param payload[message_id] is not a message of this conversation")
    answer = world.faults.after(caller.page.id, "messages")
    fact = Sent(
        page_id=caller.page.id,
        psid=conversation.psid,
        app_id=caller.app.id,
        sender_action=request.sender_action,
        messaging_type=request.messaging_type,
        answer=answer,
    )
    return Act(world.record.add(fact), answer=answer)


def _say(
    world: World,
    caller: Caller,
    conversation: Conversation,
    request: SendRequest,
    message: Message,
    speaking: Change,
    riding: Change | None,
) -> Act:
    mid = world.ids.message()
    answer = world.faults.after(caller.page.id, "messages")
    gained = _gain(world, caller, conversation, speaking)
    line = _line(world, caller, mid, request, message)
    conversation.say(line)
    seq = world.record.add(_fact(caller, conversation, request, line, answer))
    sides, spoken_in = world.sides(conversation), conversation.thread
    passed = _ride(world, caller, conversation, request, riding)
    if caller.page.behaviour.echo_channel == "after_ride":
        spoken_in = conversation.thread
    echoed = _echo(world, caller, conversation, request, message, mid, sides, spoken_in)
    return Act(seq, webhooks(gained, echoed, passed), mid, answer, _kept(world, caller, message))


def _kept(world: World, caller: Caller, message: Message) -> str | None:
    """The attachment_id of what was sent as reusable."""
    attachment = message.attachment
    if not isinstance(attachment, MediaAttachment) or not attachment.payload.is_reusable:
        return None
    return world.keep(caller.page.id, attachment)


def _gain(world: World, caller: Caller, conversation: Conversation, speaking: Change) -> list[Webhook]:
    """An idle thread becomes the default app's by sending; a person's tagged message may take it."""
    if speaking.thread == conversation.thread:
        return []
    action: Action = "take" if isinstance(speaking.notice, Taken) else "assign"
    _, hooks = world.change(caller.page, conversation, speaking, action=action, source="send", by=caller.app.id)
    return hooks


def _ride(
    world: World, caller: Caller, conversation: Conversation, request: SendRequest, riding: Change | None
) -> list[Webhook]:
    if riding is None or request.thread_control is None:
        return []
    _, hooks = world.change(
        caller.page,
        conversation,
        riding,
        action=request.thread_control.control_type,
        source="send",
        by=caller.app.id,
    )
    return hooks


def _echo(
    world: World,
    caller: Caller,
    conversation: Conversation,
    request: SendRequest,
    message: Message,
    mid: str,
    sides: Sides,
    spoken_in: Thread,
) -> list[Webhook]:
    page = caller.page
    echo = events.echo(
        sides,
        mid,
        caller.app.id,
        text=message.text,
        attachment=message.attachment,
        metadata=message.metadata,
        sticker_id=message.sticker_id,
        reply_to=request.reply_to.mid if request.reply_to else None,
    )
    hooks = world.tell(page, conversation, Told("echo", lambda _app, _channel: echo, mid, thread=spoken_in))
    if page.behaviour.deliveries:
        arrived = events.delivery(sides, (mid,))
        hooks += world.tell(page, conversation, Told("delivery", lambda _app, _channel: arrived, mid, thread=spoken_in))
    return hooks


def _line(world: World, caller: Caller, mid: str, request: SendRequest, message: Message) -> Line:
    kind, url = media(message)
    return Line(
        at=world.now(),
        side="app",
        mid=mid,
        app_id=caller.app.id,
        text=shown_text(message),
        attachment_type=kind,
        attachment_url=url,
        quick_replies=offered_quick_replies(message),
        buttons=offered_buttons(message),
        metadata=message.metadata,
        persona=world.persona_name(caller.page.id, request.persona_id),
        reply_to=request.reply_to.mid if request.reply_to else None,
    )


def _fact(
    caller: Caller,
    conversation: Conversation,
    request: SendRequest,
    line: Line,
    answer: Literal["sent", "delayed", "lost", "failed"],
) -> Sent:
    templated = line.attachment_type if line.attachment_type in {"button", "generic", "media"} else None
    return Sent(
        page_id=caller.page.id,
        psid=conversation.psid,
        app_id=caller.app.id,
        mid=line.mid,
        text=line.text,
        template=templated,
        attachment_url=line.attachment_url,
        quick_replies=line.quick_replies,
        buttons=line.buttons,
        metadata=line.metadata,
        messaging_type=request.messaging_type,
        tag=request.tag,
        persona_id=request.persona_id,
        persona=line.persona,
        reply_to=line.reply_to,
        thread_control=request.thread_control,
        answer=answer,
    )
