"""Arguments that several commands take. Each raises ArgumentTypeError with a sentence."""

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.base import ConversationId


def any_conversation(text: str) -> str:
    """A conversation's id, or that of a page's own events."""
    _parsed(text)
    return text


def conversation(text: str) -> str:
    """The id of a customer's conversation."""
    if _parsed(text).is_page:
        raise ArgumentTypeError(f"{text!r} keys a page's own events, which belong to no customer")
    return text


def _parsed(text: str) -> "ConversationId":
    from schemas.base import BadConversationId, ConversationId

    try:
        return ConversationId.parse(text)
    except BadConversationId:
        raise ArgumentTypeError(
            f"{text!r} is no conversation's id; its form is <channel>:<account>:<customer>,"
            " for Messenger messenger:<page id>:<PSID>, e.g. messenger:104821769032215:73105284619001"
        ) from None
