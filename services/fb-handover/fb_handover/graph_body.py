"""The requests to Facebook as documents, within its limits. Source: Meta's Send API, template and persona references.

What a record holds is within them by characters; here it is cut once more by UTF-16 units, which is the most that Facebook
can count. Bot builders are told of it before (`schemas.flows.check`) and when attributes were too long (a notice).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from graphapi.request import Body, GraphRequest
from schemas.base import ConversationId
from schemas.messages import BUTTON_TEXT, CARD_TITLE, QUICK_REPLY_TITLE, TEXT, Button, Card, OutMessage, QuickReply
from schemas.texts import cut, split

LONGEST_TEXT: Final = TEXT - 1  # Facebook takes fewer than 2000
NO_TEXT: Final = "•"
"""Above buttons that have no text of their own, and below a bare title: Facebook refuses a template without any."""
PROFILE_FIELDS: Final = "first_name,last_name,profile_pic"


class Recipient(Body):
    id: str


class QuickReplyBody(Body):
    """Facebook shows the customer's own address or number in place of a title."""

    content_type: Literal["text", "user_email", "user_phone_number"] = "text"
    title: str | None = None
    payload: str | None = None


class ButtonBody(Body):
    """The payload of a `phone_number` is the number."""

    type: Literal["web_url", "postback", "phone_number"]
    title: str
    url: str | None = None
    payload: str | None = None


class MediaPayload(Body):
    url: str


class ButtonTemplate(Body):
    template_type: Literal["button"] = "button"
    text: str
    buttons: tuple[ButtonBody, ...]


class DefaultAction(Body):
    type: Literal["web_url"] = "web_url"
    url: str


class ElementBody(Body):
    title: str
    subtitle: str | None = None
    image_url: str | None = None
    default_action: DefaultAction | None = None
    buttons: tuple[ButtonBody, ...] | None = None


class GenericTemplate(Body):
    template_type: Literal["generic"] = "generic"
    elements: tuple[ElementBody, ...]


class Attachment(Body):
    type: Literal["image", "audio", "video", "file", "template"]
    payload: MediaPayload | ButtonTemplate | GenericTemplate


class MessageBody(Body):
    text: str | None = None
    attachment: Attachment | None = None
    quick_replies: tuple[QuickReplyBody, ...] | None = None
    metadata: str | None = None


class ThreadControlBody(Body):
    control_type: Literal["pass"] = "pass"
    app_id: str


class SendBody(Body):
    recipient: Recipient
    messaging_type: Literal["RESPONSE", "MESSAGE_TAG"] = "RESPONSE"
    tag: Literal["HUMAN_AGENT"] | None = None
    persona_id: str | None = None
    message: MessageBody
    thread_control: ThreadControlBody | None = None


class PersonaBody(Body):
    name: str
    profile_picture_url: str


class TypingBody(Body):
    recipient: Recipient
    sender_action: Literal["typing_on"] = "typing_on"


class ControlBody(Body):
    recipient: Recipient
    target_app_id: str | None = None
    duration: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What our metadata on a message names: the command, and which of its parts."""

    command: str
    part: int = 0


class _Metadata(BaseModel):
    """`c`: the command's id. `p`: which part of its message, from 0."""

    model_config = ConfigDict(extra="ignore")

    c: str
    p: int = 0


def write_metadata(origin: Origin) -> str:
    """Under 1000 characters: it comes back in the echo and names no person."""
    parts = {"c": origin.command} | ({"p": origin.part} if origin.part else {})
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def read_metadata(metadata: str | None) -> Origin | None:
    """None where the metadata is not ours."""
    if not metadata:
        return None
    try:
        ours = _Metadata.model_validate_json(metadata)
    except ValidationError:
        return None
    return Origin(ours.c, ours.p)


def parts(message: OutMessage) -> tuple[MessageBody, ...]:
    """The Graph messages that say this one: pictures and files, texts that are too long for one, and the choices last.

    Empty when there is nothing to say.
    """
    bodies = [*_media(message), *_texts(message), *_cards(message)]
    if message.quick_replies and bodies:
        choices = tuple(_quick_reply(reply) for reply in message.quick_replies)
        bodies[-1] = bodies[-1].model_copy(update={"quick_replies": choices})
    return tuple(bodies)


def _media(message: OutMessage) -> Iterator[MessageBody]:
    if message.image_url:
        yield MessageBody(attachment=Attachment(type="image", payload=MediaPayload(url=message.image_url)))
    if message.media is not None:
        yield MessageBody(attachment=Attachment(type=message.media.kind, payload=MediaPayload(url=message.media.url)))


def _texts(message: OutMessage) -> Iterator[MessageBody]:
    text = message.text.strip()
    if not message.buttons:
        yield from (MessageBody(text=piece) for piece in split(text, LONGEST_TEXT))
        return
    *before, last = split(text, BUTTON_TEXT) or [NO_TEXT]
    if before:
        # as few messages as possible: only the last one is bound to the template's limit
        lead = text[: len(text) - len(last)].rstrip()
        yield from (MessageBody(text=piece) for piece in split(lead, LONGEST_TEXT))
    template = ButtonTemplate(text=last, buttons=tuple(_button(button) for button in message.buttons))
    yield MessageBody(attachment=Attachment(type="template", payload=template))


def _cards(message: OutMessage) -> Iterator[MessageBody]:
    if message.cards:
        template = GenericTemplate(elements=tuple(_element(card) for card in message.cards))
        yield MessageBody(attachment=Attachment(type="template", payload=template))


def _element(card: Card) -> ElementBody:
    bare = not (card.image_url or card.url or card.buttons)
    return ElementBody(
        title=cut(card.title, CARD_TITLE),
        subtitle=cut(card.subtitle, CARD_TITLE) or (NO_TEXT if bare else None),
        image_url=card.image_url,
        default_action=DefaultAction(url=card.url) if card.url else None,
        buttons=tuple(_button(button) for button in card.buttons) or None,
    )


def _button(button: Button) -> ButtonBody:
    title = cut(button.title, QUICK_REPLY_TITLE)
    if button.url:
        return ButtonBody(type="web_url", title=title, url=button.url)
    if button.phone:
        return ButtonBody(type="phone_number", title=title, payload=button.phone)
    return ButtonBody(type="postback", title=title, payload=button.payload or button.title)


def _quick_reply(reply: QuickReply) -> QuickReplyBody:
    match reply.kind:
        case "email":
            return QuickReplyBody(content_type="user_email")
        case "phone":
            return QuickReplyBody(content_type="user_phone_number")
        case "text":
            return QuickReplyBody(title=cut(reply.title, QUICK_REPLY_TITLE), payload=reply.payload)


def send(
    conversation: ConversationId,
    body: MessageBody,
    origin: Origin,
    *,
    pass_to: str | None = None,
    human_agent: bool = False,
    persona: str | None = None,
) -> GraphRequest:
    """`pass_to`: the app that gets thread control with this message, in the same call. `human_agent`: a person's, after

    the window for ordinary messages. `persona`: the id under which the customer sees who speaks.
    """
    return GraphRequest(
        path=f"{conversation.account}/messages",
        body=SendBody(
            recipient=Recipient(id=conversation.customer),
            messaging_type="MESSAGE_TAG" if human_agent else "RESPONSE",
            tag="HUMAN_AGENT" if human_agent else None,
            persona_id=persona,
            message=body.model_copy(update={"metadata": write_metadata(origin)}),
            thread_control=None if pass_to is None else ThreadControlBody(app_id=pass_to),
        ),
    )


def typing(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(
        path=f"{conversation.account}/messages", body=TypingBody(recipient=Recipient(id=conversation.customer))
    )


def pass_thread(conversation: ConversationId, target: str) -> GraphRequest:
    return GraphRequest(
        path=f"{conversation.account}/pass_thread_control",
        body=ControlBody(recipient=Recipient(id=conversation.customer), target_app_id=target),
    )


def take_thread(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(
        path=f"{conversation.account}/take_thread_control",
        body=ControlBody(recipient=Recipient(id=conversation.customer)),
    )


def extend_thread(conversation: ConversationId, seconds: int) -> GraphRequest:
    return GraphRequest(
        path=f"{conversation.account}/extend_thread_control",
        body=ControlBody(recipient=Recipient(id=conversation.customer), duration=seconds),
    )


def thread_owner(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(path=f"{conversation.account}/thread_owner", query=(("recipient", conversation.customer),))


def profile(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(path=conversation.customer, query=(("fields", PROFILE_FIELDS),))


def make_persona(page: str, name: str, picture_url: str) -> GraphRequest:
    """`name` of at most 50 characters."""
    return GraphRequest(path=f"{page}/personas", body=PersonaBody(name=name, profile_picture_url=picture_url))
