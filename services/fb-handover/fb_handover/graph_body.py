"""The requests to Facebook as documents. Limits: Meta's Send API and template reference."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from graphapi.request import Body, GraphRequest
from schemas.base import ConversationId
from schemas.messages import BUTTON_TEXT, TEXT, OutMessage

LONGEST_TEXT: Final = TEXT - 1  # Facebook takes fewer than 2000
NO_TEXT: Final = "•"
"""Above buttons that have no text of their own: Facebook refuses a template without any."""
PROFILE_FIELDS: Final = "first_name,last_name,profile_pic"


class Recipient(Body):
    id: str


class QuickReplyBody(Body):
    content_type: Literal["text"] = "text"
    title: str
    payload: str


class ButtonBody(Body):
    type: Literal["web_url", "postback"]
    title: str
    url: str | None = None
    payload: str | None = None


class ImagePayload(Body):
    url: str


class ButtonTemplate(Body):
    template_type: Literal["button"] = "button"
    text: str
    buttons: tuple[ButtonBody, ...]


class Attachment(Body):
    type: Literal["image", "template"]
    payload: ImagePayload | ButtonTemplate


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
    messaging_type: Literal["RESPONSE"] = "RESPONSE"
    message: MessageBody
    thread_control: ThreadControlBody | None = None


class TypingBody(Body):
    recipient: Recipient
    sender_action: Literal["typing_on"] = "typing_on"


class ControlBody(Body):
    recipient: Recipient
    target_app_id: str | None = None


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
    """The Graph messages that say this one: the picture, what is too long for one text, and what carries the choices last.

    Empty when there is nothing to say.
    """
    bodies = [*_image(message), *_texts(message)]
    if message.quick_replies and bodies:
        choices = tuple(QuickReplyBody(title=reply.title, payload=reply.payload) for reply in message.quick_replies)
        bodies[-1] = bodies[-1].model_copy(update={"quick_replies": choices})
    return tuple(bodies)


def _image(message: OutMessage) -> Iterator[MessageBody]:
    if message.image_url:
        yield MessageBody(attachment=Attachment(type="image", payload=ImagePayload(url=message.image_url)))


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
    buttons = tuple(
        ButtonBody(type="web_url", title=button.title, url=button.url)
        if button.url
        else ButtonBody(type="postback", title=button.title, payload=button.payload or button.title)
        for button in message.buttons
    )
    yield MessageBody(
        attachment=Attachment(type="template", payload=ButtonTemplate(text=last, buttons=buttons)),
    )


_SENTENCE_END = re.compile(r"[.!?…。]['\")]*\s|\n")


def units(text: str) -> int:
    """Length as Facebook may count it: UTF-16 units, of which an emoji has two."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def split(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` UTF-16 units: cut after a sentence, else at a space, else anywhere."""
    pieces: list[str] = []
    rest = text.strip()
    while units(rest) > limit:
        cut = _cut(rest, limit)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest else pieces


def _cut(text: str, limit: int) -> int:
    end = used = 0
    for letter in text:
        used += units(letter)
        if used > limit:
            break
        end += 1
    window = text[:end]
    sentence = max((match.end() for match in _SENTENCE_END.finditer(window)), default=0)
    if sentence > end // 2:
        return sentence
    space = max(window.rfind(" "), window.rfind("\n"))
    return space + 1 if space > 0 else end


def send(
    conversation: ConversationId, body: MessageBody, origin: Origin, *, pass_to: str | None = None
) -> GraphRequest:
    """`pass_to`: the app that gets thread control with this message, in the same call."""
    return GraphRequest(
        path=f"{conversation.account}/messages",
        body=SendBody(
            recipient=Recipient(id=conversation.customer),
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


def thread_owner(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(path=f"{conversation.account}/thread_owner", query=(("recipient", conversation.customer),))


def profile(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(path=conversation.customer, query=(("fields", PROFILE_FIELDS),))
