"""What a message holds, and what came with it. Pure; whatever its shape, something is made of it."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from ingress.facebook import Message
from schemas.messages import Attachment, CustomerInput, Quoted, Referral

MAX_KIND: Final = 64  # characters
SECRETS: Final = frozenset({"token", "authorization_code", "notification_messages_token", "one_time_notif_token"})
"""Keys in raw events whose values let others act for the customer: they are not kept."""
REDACTED: Final = "[redacted]"
UNSUPPORTED: Final = "unsupported"
TAKEN: Final = frozenset(
    {"mid", "seq", "text", "attachments", "sticker_id", "quick_reply", "reply_to", "referral", "is_unsupported"}
    | {"is_echo", "is_deleted", "app_id", "metadata", "title", "payload"}
)
"""Keys of a message or a postback whose values have fields of their own, or say nothing about what a customer wrote."""
BESIDE: Final = frozenset({"sender", "recipient", "timestamp", "referral"})
"""The same, of the event that holds it."""
REFERRAL: Final = frozenset({"ref", "source", "type", "ad_id"})
REFERENCES: Final = ("reel_video_id", "ig_post_media_id", "id")
"""Keys of an attachment's payload that name what is shared."""
MAX_CARDS: Final = 10
MAX_DIGITS: Final = 9
MAX_CONTACT: Final = 320  # characters
_CONTACT: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s().-]{5,30}")
"""An e-mail address or a phone number, as quick replies of these kinds send them."""


def said_by_customer(message: Message, raw: Mapping[str, object]) -> CustomerInput | None:
    """What the customer said; None where the message holds nothing that could be shown.

    `raw`: the event; a link or an ad by which the customer came may stand beside the message too.
    """
    payload = message.quick_reply.get("payload") if isinstance(message.quick_reply, dict) else None
    text, files = message.text or "", files_of(message)
    if not isinstance(payload, str) or (payload == text and len(text) <= MAX_CONTACT and _CONTACT.fullmatch(text)):
        payload = None  # of an offered e-mail address or number it is the text once more: the customer's own words
    if payload is None and not text and not files:
        return None
    return CustomerInput(
        kind="text" if payload is None else "quick_reply",
        text=text,
        payload=payload,
        attachments=files,
        reply_to=_quoted(message.reply_to),
        referral=referral(message.referral) or referral(raw.get("referral")),
    )


def _quoted(raw: object) -> Quoted | None:
    """What the message answers; None where that is not told."""
    if not isinstance(raw, dict):
        return None
    told = raw.get("story")
    story: Mapping[str, object] = told if isinstance(told, dict) else {}
    quoted = Quoted(
        mid=loose(raw.get("mid")) or "",
        own=raw.get("is_self_reply") is True,
        story_id=loose(story.get("id")) or "",
        story_url=loose(story.get("url")) or "",
    )
    return quoted if quoted.mid or story else None


def referral(raw: object) -> Referral | None:
    """By what a customer came; None where that is not told."""
    if not isinstance(raw, dict) or not raw:
        return None
    return Referral(
        ref=loose(raw.get("ref")) or "",
        source=loose(raw.get("source")) or "",
        kind=loose(raw.get("type")) or "",
        ad_id=loose(raw.get("ad_id")) or "",
    )


def extras_of(raw: Mapping[str, object], key: Literal["message", "postback"]) -> dict[str, object] | None:
    """What came in and beside a message that no other field holds: tags, commands, nlp, `hop_context`, what is new."""
    part = raw[key]
    inner: Mapping[str, object] = part if isinstance(part, dict) else {}
    found = {name: value for name, value in inner.items() if name not in TAKEN}
    found |= {name: value for name, value in raw.items() if name not in BESIDE and name != key}
    for place in (inner, raw):
        told = place.get("referral")
        if isinstance(told, dict) and told.keys() - REFERRAL:  # an ad's picture and title, say
            found["referral"] = told
    return without_secrets(found) if found else None


def files_of(message: Message) -> tuple[Attachment, ...]:
    files = attachments(message)
    return (Attachment(kind=UNSUPPORTED),) if message.is_unsupported and not files else files


def attachments(message: Message) -> tuple[Attachment, ...]:
    """What came with a message. A sticker that is told twice, as such and as its picture, is one."""
    raw = message.attachments
    if raw is None and message.sticker_id is None:
        return ()
    listed = raw if isinstance(raw, list) else [] if raw is None else [raw]
    found = [_attachment(one) for one in listed]
    if message.sticker_id and not any(one.sticker_id for one in found):
        found = [one for one in found if one.kind != "image"]
        found.append(Attachment(kind="sticker", sticker_id=message.sticker_id, url=_picture(listed)))
    stickers: set[str] = set()
    kept = []
    for one in found:
        if one.sticker_id is not None:
            if one.sticker_id in stickers:
                continue
            stickers.add(one.sticker_id)
        kept.append(one)
    return tuple(kept)


def _picture(listed: list[object]) -> str | None:
    return next((one.url for one in map(_attachment, listed) if one.kind == "image" and one.url), None)


def _attachment(raw: object) -> Attachment:
    if not isinstance(raw, dict):
        return Attachment(kind=UNSUPPORTED)
    payload = raw.get("payload")
    inner: Mapping[str, object] = payload if isinstance(payload, dict) else {}
    place = inner.get("coordinates")
    where: Mapping[str, object] = place if isinstance(place, dict) else {}
    kind = raw.get("type")
    sticker = loose(inner.get("sticker_id"))
    shown = _shown(inner)
    titles = [title for one in shown if (title := loose(one.get("title")))]
    return Attachment(
        kind="sticker" if sticker else kind[:MAX_KIND] if isinstance(kind, str) and kind else UNSUPPORTED,
        url=loose(inner.get("url")) or loose(raw.get("url")) or _first(shown, "image_url", "url"),
        title=loose(inner.get("title")) or loose(raw.get("title")) or ", ".join(titles) or None,
        sticker_id=sticker,
        latitude=_degrees(where.get("lat")),
        longitude=_degrees(where.get("long")),
        reference=_first([inner], *REFERENCES) or _first(shown, "id", "retailer_id"),
    )


def _shown(payload: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The cards of a template, or of products that are shared; at most ten, as Facebook shows them."""
    product = payload.get("product")
    told = (product if isinstance(product, dict) else payload).get("elements")
    cards: list[Mapping[str, object]] = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return cards[:MAX_CARDS]


def _first(values: Iterable[Mapping[str, object]], *keys: str) -> str | None:
    return next((found for one in values for key in keys if (found := loose(one.get(key)))), None)


def count_of(value: object) -> int | None:
    """How often; as a number, or as text."""
    text = loose(value)
    return int(text) if text is not None and text.isdecimal() and len(text) <= MAX_DIGITS else None


def loose(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value or None if isinstance(value, str) else None


def _degrees(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def without_secrets(raw: Mapping[str, object]) -> dict[str, object]:
    return {key: REDACTED if key in SECRETS else _redacted(value) for key, value in raw.items()}


def _redacted(value: object) -> object:
    if isinstance(value, dict):
        return without_secrets(value)
    return [_redacted(one) for one in value] if isinstance(value, list) else value
