"""How a page decides who has its conversations: what the story expects on each kind of page."""

from dataclasses import dataclass
from typing import Literal

Name = Literal["routing", "routing_no_take", "roles", "zero_config"]
PAGE_INBOX = "263902037430900"


@dataclass(frozen=True, slots=True)
class Regime:
    """`name` as Facebook in a box calls it. `notification`: *Notification via Messenger Inbox* is wished for.

    `receiver`: the Page Inbox has conversations beside our app.
    """

    name: Name = "routing"
    notification: bool = True
    receiver: bool = True

    @property
    def way_back(self) -> bool:
        """Whether we can take a conversation back: a default app and the right to take, or the primary role."""
        return self.name in {"routing", "roles"}

    @property
    def notifies(self) -> bool:
        """Without a way back the notification cannot be switched on."""
        return self.notification and self.way_back

    @property
    def rests_in_main(self) -> bool:
        """Whether a conversation that a person has is the Page Inbox's. Else nothing is passed, or the pass fails."""
        return self.notifies and self.receiver

    @property
    def text(self) -> str:
        words = {
            "routing": "default app, may take",
            "routing_no_take": "default app, may not take",
            "roles": "older roles",
            "zero_config": "no default app",
        }
        return words[self.name]


DEMONSTRATION = Regime()
"""The page of `make demo`."""
