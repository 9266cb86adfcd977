"""A Send API request: its shape and its limits. What breaks them is error 100 with the sentence of Facebook.

Source: the Send API reference and the template pages of the Messenger Platform. Lengths are in characters.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from facebook.errors import ActionWithMessage, DeadTag, InvalidParameter

TEXT = 2000
BUTTON_TEXT = 640
TITLE = 20
PAYLOAD = 1000
METADATA = 1000
QUICK_REPLIES = 13
BUTTONS = 3
ELEMENTS = 10
ELEMENT_TITLE = 80
PERSONA = 50

# Steps of an error's path that name a branch of a union, not a field.
BRANCHES = frozenset(
    {
        "template",
        "button",
        "generic",
        "media",
        "image",
        "audio",
        "video",
        "file",
        "postback",
        "web_url",
        "phone_number",
        "account_link",
        "account_unlink",
    }
)
DEAD_TAGS = frozenset({"ACCOUNT_UPDATE", "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE"})

# Ids come as JSON strings and as numbers; inside they are strings.
Identifier = Annotated[str, BeforeValidator(lambda raw: str(raw) if isinstance(raw, int) else raw), Field(min_length=1)]
Title = Annotated[str, Field(min_length=1, max_length=TITLE)]
Payload = Annotated[str, Field(min_length=1, max_length=PAYLOAD)]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
# An attachment_id that is a number is refused, though echoes show it as one.
AttachmentId = Annotated[str, Field(pattern=r"^[0-9]+$", strict=True)]


class Part(BaseModel):
    """A piece of a request; Facebook ignores what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Recipient(Part):
    id: Identifier


class QuickReply(Part):
    content_type: Literal["text", "user_phone_number", "user_email"]
    title: Title | None = None
    payload: Annotated[str, Field(max_length=PAYLOAD)] | None = None
    image_url: WebAddress | None = None

    @model_validator(mode="after")
    def text_needs_title(self) -> Self:
        if self.content_type == "text" and (self.title is None or self.payload is None):
            raise ValueError("a quick reply of content_type text needs title and payload")
        return self


class PostbackButton(Part):
    type: Literal["postback"]
    title: Title
    payload: Payload


class UrlButton(Part):
    type: Literal["web_url"]
    title: Title
    url: WebAddress


class CallButton(Part):
    type: Literal["phone_number"]
    title: Title
    payload: str = Field(pattern=r"^\+[0-9][0-9 ()-]{3,30}$")


class LinkButton(Part):
    """Account linking; Facebook writes its title."""

    type: Literal["account_link"]
    url: WebAddress


class UnlinkButton(Part):
    type: Literal["account_unlink"]


Button = Annotated[PostbackButton | UrlButton | CallButton | LinkButton | UnlinkButton, Field(discriminator="type")]


class ButtonTemplate(Part):
    template_type: Literal["button"]
    text: str = Field(min_length=1, max_length=BUTTON_TEXT)
    buttons: tuple[Button, ...] = Field(min_length=1, max_length=BUTTONS)


class DefaultAction(Part):
    """Where a click on the element leads."""

    type: Literal["web_url"]
    url: WebAddress


class Element(Part):
    title: str = Field(min_length=1, max_length=ELEMENT_TITLE)
    subtitle: str | None = Field(default=None, max_length=ELEMENT_TITLE)
    image_url: WebAddress | None = None
    default_action: DefaultAction | None = None
    buttons: tuple[Button, ...] = Field(default=(), max_length=BUTTONS)

    @model_validator(mode="after")
    def has_more_than_a_title(self) -> Self:
        if not (self.subtitle or self.image_url or self.default_action or self.buttons):
            raise ValueError("an element needs a subtitle, an image, an action or a button beside its title")
        return self


class GenericTemplate(Part):
    template_type: Literal["generic"]
    elements: tuple[Element, ...] = Field(min_length=1, max_length=ELEMENTS)


class MediaElement(Part):
    media_type: Literal["image", "video"]
    url: WebAddress | None = None
    attachment_id: AttachmentId | None = None
    buttons: tuple[Button, ...] = Field(default=(), max_length=BUTTONS)

    @model_validator(mode="after")
    def has_one_source(self) -> Self:
        if (self.url is None) == (self.attachment_id is None):
            raise ValueError("an element of a media template needs either url or attachment_id")
        return self


class MediaTemplate(Part):
    template_type: Literal["media"]
    elements: tuple[MediaElement, ...] = Field(min_length=1, max_length=1)


class TemplateAttachment(Part):
    type: Literal["template"]
    payload: Annotated[ButtonTemplate | GenericTemplate | MediaTemplate, Field(discriminator="template_type")]


class MediaPayload(Part):
    url: WebAddress | None = None
    attachment_id: AttachmentId | None = None
    is_reusable: bool = False

    @model_validator(mode="after")
    def has_a_source(self) -> Self:
        if not (self.url or self.attachment_id):
            raise ValueError("an attachment needs a url or an attachment_id")
        return self


class MediaAttachment(Part):
    type: Literal["image", "audio", "video", "file"]
    payload: MediaPayload


Attachment = Annotated[TemplateAttachment | MediaAttachment, Field(discriminator="type")]


class Message(Part):
    text: Annotated[str, Field(min_length=1, max_length=TEXT)] | None = None
    attachment: Attachment | None = None
    sticker_id: Identifier | None = None
    quick_replies: tuple[QuickReply, ...] = Field(default=(), max_length=QUICK_REPLIES)
    metadata: Annotated[str, Field(max_length=METADATA)] | None = None

    @model_validator(mode="after")
    def says_one_thing(self) -> Self:
        if sum(part is not None for part in (self.text, self.attachment, self.sticker_id)) != 1:
            raise ValueError("a message has either text or an attachment")
        return self


class RidingControl(Part):
    """Thread control that rides on a message."""

    control_type: Literal["pass", "release"] = "release"
    app_id: Identifier | None = None


class ReplyTo(Part):
    mid: str = Field(min_length=1)


class Reacting(Part):
    """What a sender_action react or unreact is about."""

    message_id: str = Field(min_length=1)
    reaction: str | None = None


Action = Literal["typing_on", "typing_off", "mark_seen", "react", "unreact"]


class SendRequest(Part):
    recipient: Recipient
    messaging_type: Literal["RESPONSE", "UPDATE", "MESSAGE_TAG"] = "RESPONSE"
    tag: str | None = None
    message: Message | None = None
    sender_action: Action | None = None
    payload: Reacting | None = None
    reply_to: ReplyTo | None = None
    notification_type: Literal["REGULAR", "SILENT_PUSH", "NO_PUSH"] = "REGULAR"
    persona_id: Identifier | None = None
    thread_control: RidingControl | None = None

    @property
    def human_agent(self) -> bool:
        return self.tag == "HUMAN_AGENT"


class ControlRequest(Part):
    """The body of the pass, take, request, release and extend calls."""

    recipient: Recipient
    target_app_id: Identifier | None = None
    metadata: Annotated[str, Field(max_length=METADATA)] | None = None
    duration: int | None = None


class SubscribeRequest(Part):
    """subscribed_apps: fields as a comma separated text or a list."""

    subscribed_fields: tuple[str, ...]


class AppSubscribeRequest(Part):
    callback_url: str
    verify_token: str
    fields: tuple[str, ...] = ()


class PersonaRequest(Part):
    name: str = Field(min_length=1, max_length=PERSONA)
    profile_picture_url: WebAddress = Field(validation_alias=AliasChoices("profile_picture_url", "profile_picture"))


class UploadMessage(Part):
    attachment: MediaAttachment


class UploadRequest(Part):
    """What message_attachments keeps: a picture, a film, a sound or a file by its address."""

    message: UploadMessage


def attachment_ids(message: Message) -> tuple[str, ...]:
    """The uploads that a message sends."""
    attachment = message.attachment
    if isinstance(attachment, MediaAttachment):
        return (attachment.payload.attachment_id,) if attachment.payload.attachment_id else ()
    if isinstance(attachment, TemplateAttachment) and isinstance(attachment.payload, MediaTemplate):
        return tuple(one.attachment_id for one in attachment.payload.elements if one.attachment_id)
    return ()


def send_request(params: Mapping[str, JsonValue]) -> SendRequest:
    """Raises InvalidParameter, ActionWithMessage, DeadTag."""
    request = parse(SendRequest, params)
    if request.message is not None and request.sender_action is not None:
        raise ActionWithMessage
    if request.message is None and request.sender_action is None:
        raise InvalidParameter("The parameter message is required")
    if request.sender_action in {"react", "unreact"} and request.payload is None:
        raise InvalidParameter("The parameter payload is required")
    if request.sender_action == "react" and request.payload is not None and not request.payload.reaction:
        raise InvalidParameter("The parameter payload[reaction] is required")
    _check_tag(request)
    return request


def _check_tag(request: SendRequest) -> None:
    if request.messaging_type == "MESSAGE_TAG" and request.tag is None:
        raise InvalidParameter("The parameter tag is required with messaging_type MESSAGE_TAG")
    if request.tag in DEAD_TAGS:
        raise DeadTag
    if request.tag not in {None, "HUMAN_AGENT"}:
        raise InvalidParameter(f"Param tag {request.tag} cannot be used for this message")


P = TypeVar("P", bound=Part)


def parse(model: type[P], params: Mapping[str, JsonValue]) -> P:
    """The parameters of a call as `model`. Raises InvalidParameter with a sentence that names the parameter."""
    try:
        return model.model_validate(params)
    except ValidationError as error:
        raise InvalidParameter(_sentence(error.errors(include_url=False)[0])) from None


def _sentence(problem: ErrorDetails) -> str:
    name = _parameter(problem)
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"The parameter {name} is required"
        case "string_too_long" | "too_long":
            return f"Length of param {name} must be less than or equal to {context['max_length']}"
        case "string_too_short" | "too_short":
            return f"Param {name} must be a non-empty value"
        case "string_pattern_mismatch" if name.endswith(("url]", "url")):
            return f"Param {name} must be a valid URI"
        case _:
            return f"Param {name} is not valid: {problem['msg']}"


def _parameter(problem: ErrorDetails) -> str:
    # The names of union branches are no part of a path as Facebook writes it.
    steps = [str(step) for step in problem["loc"] if step not in BRANCHES]
    return steps[0] + "".join(f"[{step}]" for step in steps[1:]) if steps else "message"
