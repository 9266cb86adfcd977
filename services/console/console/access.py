"""Who may do what: one table for all routes and socket frames. What is not in it cannot be registered."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from console.operators import Operator
from console.problems import Refusal, forbidden, refuse, unknown
from console.streams import CONVERSATION, INBOX


class Rule(StrEnum):
    PUBLIC = "public"
    """Anybody, also without an account."""
    SIGNED_IN = "signed in"
    """Any operator; what they see is their own."""
    BOT = "bot"
    """Operators of the path's bot, and admins. To others there is no such bot."""
    CONVERSATION = "conversation"
    """Operators of the conversation's bot, and admins. To others there is no such conversation."""
    COMMAND = "command"
    """The operator who gave the command, and admins. To others there is no such command."""
    ADMIN = "admin"
    """Admins."""


ROUTES: Final[Mapping[str, Rule]] = {
    "signIn": Rule.PUBLIC,
    "getSession": Rule.SIGNED_IN,
    "signOut": Rule.SIGNED_IN,
    "listOperators": Rule.ADMIN,
    "createOperator": Rule.ADMIN,
    "getOperator": Rule.ADMIN,
    "updateOperator": Rule.ADMIN,
    "listConversations": Rule.SIGNED_IN,
    "getConversation": Rule.CONVERSATION,
    "listEntries": Rule.CONVERSATION,
    "listEpisodes": Rule.CONVERSATION,
    "markRead": Rule.CONVERSATION,
    "takeOver": Rule.CONVERSATION,
    "reply": Rule.CONVERSATION,
    "retryMessage": Rule.CONVERSATION,
    "setExpiry": Rule.CONVERSATION,
    "handBack": Rule.CONVERSATION,
    "assign": Rule.CONVERSATION,
    "getCommand": Rule.COMMAND,
    "live": Rule.SIGNED_IN,
    "listBots": Rule.SIGNED_IN,
    "createBot": Rule.ADMIN,
    "getBot": Rule.BOT,
    "updateBot": Rule.ADMIN,
    "getTakeoverSettings": Rule.BOT,
    "putTakeoverSettings": Rule.ADMIN,
    "listMessengerChannels": Rule.BOT,
    "putMessengerChannel": Rule.ADMIN,
    "deleteMessengerChannel": Rule.ADMIN,
    "getMessengerPublishing": Rule.BOT,
    "putMessengerPublishing": Rule.ADMIN,
    "validateFlow": Rule.SIGNED_IN,
    "listFlows": Rule.BOT,
    "getDraft": Rule.BOT,
    "putDraft": Rule.ADMIN,
    "publishFlow": Rule.ADMIN,
    "listVersions": Rule.BOT,
    "getVersion": Rule.BOT,
}

STREAMS: Final[Mapping[str, Rule]] = {CONVERSATION: Rule.CONVERSATION, INBOX: Rule.BOT}
"""What a socket may subscribe to, by the stream's prefix."""


def check(rule: Rule, operator: Operator | None) -> None:
    """What can be said without looking at what the request is about. Raises `Refusal`."""
    if rule is Rule.PUBLIC:
        return
    if operator is None:
        raise not_signed_in()
    if rule is Rule.ADMIN and not operator.is_admin:
        raise forbidden("Only an admin may do this.")


def check_bot(operator: Operator, bot: str | None, *, what: str = "bot") -> None:
    """`bot`: of the thing asked for; None where there is no such thing. The two refusals look the same."""
    if not operator.sees(bot):
        raise unknown(what)


def not_signed_in() -> Refusal:
    return refuse(401, "not_signed_in", "Sign in first.")
