"""The shapes that Facebook's events have on the wire. Ids come as numbers or text, much may be absent or null.

Source: developers.facebook.com, Messenger Platform, "Webhook Events", and what public captures show beside it.
What a reader can do without is typed `object` here and read leniently in `messenger`; unknown keys are ignored.
"""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

MAX_ID: Final = 400  # characters; longer ones are nobody's id


def _id(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value.strip() or None
    return value


def _flag(value: object) -> bool:
    return value is True or value == "true"


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


FacebookId = Annotated[str | None, BeforeValidator(_id)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str | None, BeforeValidator(_text)]


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Side(Shape):
    """Who sent or received. Without `id` where the customer is known by `user_ref` only."""

    id: FacebookId = None


class Message(Shape):
    mid: FacebookId = None
    text: Text = None
    is_echo: Flag = False
    is_deleted: Flag = False
    is_unsupported: Flag = False
    app_id: FacebookId = None
    metadata: Text = None
    sticker_id: FacebookId = None
    quick_reply: object = None
    attachments: object = None
    reply_to: object = None
    referral: object = None


class Postback(Shape):
    """On standby the payload is stripped; old events have no `mid`."""

    mid: FacebookId = None
    title: Text = None
    payload: Text = None
    referral: object = None


class ThreadChange(Shape):
    """What pass, take and request of thread control tell. Each app id may be absent, or null for nobody."""

    new_owner_app_id: FacebookId = None
    previous_owner_app_id: FacebookId = None
    requested_owner_app_id: FacebookId = None
    metadata: Text = None


class Event(Shape):
    """One element of `messaging` or `standby`."""

    sender: Side | None = None
    recipient: Side | None = None
    timestamp: object = None
    message: Message | None = None
    postback: Postback | None = None
    pass_thread_control: ThreadChange | None = None
    take_thread_control: ThreadChange | None = None
    request_thread_control: ThreadChange | None = None
