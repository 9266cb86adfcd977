"""What Facebook's policy events say of a page. Pure.

Source: Meta's `messaging_policy_enforcement`: a page is warned, blocked or unblocked.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.conversations import PolicyEnforced
from schemas.pages import PageStatus, Step

_SAID: Final[Mapping[str, str]] = {
    "block": "Facebook has blocked the page: what it sends is refused.",
    "warning": "Facebook warns the page.",
}
STEPS: Final = (
    Step(text="Open Page Quality of the page in Facebook and see which rule is meant."),
    Step(text="Change what the bot says there, or ask Facebook for a review."),
)


def status(event: PolicyEnforced, page: str, received: datetime) -> PageStatus:
    """The page's aspect `policy` from now on. An action that is not known counts as a warning."""
    at = event.occurred_at or received
    told = PageStatus(
        id=f"page-status:{event.id}",
        occurred_at=at,
        page=page,
        aspect="policy",
        state="ok",
        since=at,
        checked_at=received,
    )
    if event.action == "unblock":
        return told.model_copy(update={"ok_at": at})
    said = _SAID.get(event.action, _SAID["warning"])
    return told.model_copy(
        update={
            "state": "failing",
            "code": "blocked" if event.action == "block" else "warned",
            "reason": f"{said} {event.reason}".rstrip(),
            "steps": STEPS,
        }
    )
