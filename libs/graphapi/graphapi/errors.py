"""The table of Facebook's refusals: what each code and subcode makes us do, and what it means in words.

Source: Meta's Messenger error codes and rate limits, and public field reports where the documentation is silent. A line
without subcode stands for the code with no subcode, or, where `ANY_SUBCODE` has the code, with every one that has no line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Consequence(StrEnum):
    """What is done about a refusal. All but the `refuse`, `configuration` and `stop tags` leave the message waiting."""

    RETRY = "retry"
    """The same request again, later and later."""
    WAIT = "wait"
    """It ends by itself, and not soon: again after minutes."""
    PAUSE_PAGE = "pause page"
    """Nothing is asked for the page until Facebook says, or for a while."""
    PAUSE_APP = "pause app"
    """The same for all pages of the app."""
    STOP_PAGE = "stop page"
    """Nothing is asked for the page until it has another token."""
    STOP_TAGS = "stop tags"
    """Not delivered; for a day the page sends nothing under a tag."""
    NOT_OWNER = "not owner"
    """Another app has the thread."""
    REFUSE = "refuse"
    """Not delivered, and asking again changes nothing."""
    CONFIGURATION = "configuration"
    """Not delivered until an admin of the page or the app changes something."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table. `reason`: for the operator. Empty: Facebook's own words.

    `next_step`: a word for what somebody can do about it; whoever shows it has the sentences. Empty: nothing is known.
    """

    does: Consequence
    reason: str = ""
    next_step: str = ""


Subcode = int | None

DEAD_TOKEN: Final = 190
ANY_SUBCODE: Final = frozenset({1, 2, 3, 4, 17, 32, 190, 200, 551, 613, 1200, 80001, 80006})
"""Codes whose line without subcode stands for every subcode that has none of its own."""

ANSWER_THERE: Final = "answer_there"
NOT_OWNER_REASON: Final = "Another app has the conversation, such as the Page Inbox."
DEAD_TOKEN_REASON: Final = "Facebook refuses the page's token; connect the page again in Publishing Configuration."  # noqa: S105 - no token
LATE: Final = (
    "The customer last wrote more than 24 hours ago; Facebook delivers no ordinary message after that. A person's answer"
    " may still go out as Human Agent within 7 days."
)
TOO_FAST: Final = "Facebook's limit for the page is reached; sending goes on by itself."
APP_TOO_FAST: Final = "Facebook's limit for the app is reached; sending goes on by itself."
NO_PERMISSION: Final = "The app lacks a permission for this; see App Review in Facebook."
NOT_AVAILABLE: Final = "The customer is not available: blocked the page, or closed the account."
NO_SUCH_CUSTOMER: Final = "Facebook knows no such customer of this page."
BUSY: Final = "Facebook is not available at the moment; it is tried again."
HUMAN_AGENT: Final = (
    "Facebook has not approved the Human Agent feature for the app, so that nothing can be sent after 24 hours; ask for it"
    " under App Review in Facebook."
)
TAGS_STOPPED: Final = "Facebook has stopped the page's messages after 24 hours, for too many of them were sent."

LINES: Final[Mapping[tuple[int, Subcode], Line]] = {
    (1, None): Line(Consequence.RETRY, BUSY, "try_later"),
    (2, None): Line(Consequence.RETRY, BUSY, "try_later"),
    (1200, None): Line(Consequence.RETRY, BUSY, "try_later"),
    (4, None): Line(Consequence.PAUSE_APP, APP_TOO_FAST, "try_later"),
    (17, None): Line(Consequence.PAUSE_PAGE, TOO_FAST, "try_later"),
    (32, None): Line(Consequence.PAUSE_PAGE, TOO_FAST, "try_later"),
    (613, None): Line(Consequence.PAUSE_PAGE, TOO_FAST, "try_later"),
    (80001, None): Line(Consequence.PAUSE_PAGE, TOO_FAST, "try_later"),
    (80006, None): Line(Consequence.PAUSE_PAGE, TOO_FAST, "try_later"),
    (613, 2018338): Line(Consequence.STOP_TAGS, TAGS_STOPPED, "wait_for_customer"),
    (10, 2018278): Line(Consequence.REFUSE, LATE, "human_agent"),
    (10, 2534022): Line(Consequence.REFUSE, LATE, "human_agent"),
    (10, 2018065): Line(
        Consequence.REFUSE,
        "The customer last wrote more than 24 hours ago, and the page may not send outside that time.",
        "wait_for_customer",
    ),
    (10, 2018108): Line(Consequence.REFUSE, "The customer cannot receive messages at the moment.", "try_later"),
    (10, 2018300): Line(Consequence.NOT_OWNER, NOT_OWNER_REASON, ANSWER_THERE),
    (10, 2018321): Line(Consequence.WAIT, "The questions of a lead advertisement have the conversation.", "try_later"),
    (10, 1893063): Line(
        Consequence.PAUSE_PAGE, "Facebook has restricted the page; see Page Quality in Facebook.", "page_quality"
    ),
    (10, None): Line(Consequence.CONFIGURATION, NO_PERMISSION, "app_review"),
    (100, 2534037): Line(Consequence.NOT_OWNER, NOT_OWNER_REASON, ANSWER_THERE),
    (100, 2018300): Line(Consequence.NOT_OWNER, NOT_OWNER_REASON, ANSWER_THERE),
    (100, 2018001): Line(Consequence.REFUSE, NO_SUCH_CUSTOMER, "nothing"),
    (100, 2534014): Line(Consequence.REFUSE, NO_SUCH_CUSTOMER, "nothing"),
    (100, 2018164): Line(
        Consequence.CONFIGURATION,
        "The app that control should go to is not connected to the page.",
        "connect_page_inbox",
    ),
    (100, 2018008): Line(Consequence.REFUSE, "Facebook could not fetch the attachment.", "check_address"),
    (100, 2018047): Line(Consequence.REFUSE, "Facebook does not take this kind of attachment.", "other_file"),
    (100, 2018074): Line(Consequence.REFUSE, "The attachment belongs to somebody else.", "own_file"),
    (100, 2018109): Line(Consequence.REFUSE, "The attachment is larger than 25 MB.", "smaller_file"),
    (100, 2018294): Line(Consequence.REFUSE, "The video could not be read by Facebook.", "other_file"),
    (100, 2018218): Line(Consequence.REFUSE, "Facebook does not show this customer's profile."),
    (100, 2018247): Line(Consequence.REFUSE, "Facebook does not show this customer's profile."),
    (190, None): Line(Consequence.STOP_PAGE, DEAD_TOKEN_REASON, "reconnect_page"),
    (3, None): Line(Consequence.CONFIGURATION, NO_PERMISSION, "app_review"),
    (200, None): Line(Consequence.CONFIGURATION, NO_PERMISSION, "app_review"),
    (200, 2018028): Line(
        Consequence.CONFIGURATION,
        "The app may not message this person until it is approved; see App Review in Facebook.",
        "app_review",
    ),
    (200, 1545041): Line(Consequence.REFUSE, NOT_AVAILABLE, "nothing"),
    (551, None): Line(Consequence.REFUSE, NOT_AVAILABLE, "nothing"),
    (551, 1545041): Line(Consequence.REFUSE, NOT_AVAILABLE, "nothing"),
    (230, None): Line(Consequence.REFUSE, "The customer has not allowed the app to see the profile."),
    (27, None): Line(Consequence.CONFIGURATION),
    (10303, None): Line(Consequence.REFUSE),
}

SUBCODES: Final[Mapping[int, Line]] = {
    subcode: line
    for (_, subcode), line in LINES.items()
    if subcode is not None and line.does in {Consequence.NOT_OWNER, Consequence.WAIT}
}
"""Subcodes that mean the same under whichever code they come: their parent is not documented."""


def line(code: Subcode, subcode: Subcode, *, status: int, message: str) -> Line | None:
    """The line of a refusal; None: it is in no table. `message`: Facebook's own words."""
    if subcode is not None and subcode in SUBCODES:
        return SUBCODES[subcode]
    if code is None:
        return None
    if code == 10 and subcode is None and status == 403 and "human agent" in message.lower().replace("_", " "):
        return Line(Consequence.CONFIGURATION, HUMAN_AGENT, "get_human_agent")
    found = LINES.get((code, subcode))
    return LINES.get((code, None)) if found is None and code in ANY_SUBCODE else found
