"""Topic `pages` (compacted): what is known of a Facebook page, as of now. One partition, so all of it has one order.

Keys are `<page id>:<aspect>`, and `<page id>:catch_up`, `<page id>:unknown`, `<page id>:opened`.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.base import BaseEvent, Document

PageId = Annotated[str, Field(pattern=r"^[^:\s]{1,128}$")]
Aspect = Literal["webhooks", "token", "routing", "sending", "policy"]
Health = Literal["ok", "failing", "unknown"]
DefaultApp = Literal["ours", "another", "none", "unknown"]


class Step(Document):
    """One thing that an admin of the page does. `older`: the same in the words that Facebook used before, where they differ."""

    text: str
    older: str = ""


class Routing(Document):
    """How Facebook divides the page's conversations among apps. None: Facebook did not tell.

    `default_app` `none`: every connected app answers, and nobody can take a conversation. `older_roles`: the page still has
    a primary and secondary receivers. `inbox_is_receiver`: conversations can be passed to the Page Inbox.
    `has_default_app`: our conversations find the way back to us, so that they may be passed away.
    """

    default_app: DefaultApp = "unknown"
    older_roles: bool | None = None
    inbox_is_receiver: bool | None = None
    has_default_app: bool | None = None
    set_up: Literal["done_and_main", "main_only", "unknown"] = "unknown"


class PageStatus(BaseEvent):
    """One aspect of a page's health: what is wrong, since when, and what an admin does about it.

    `code` is a word for programs, `reason` a sentence for people. `since`: of this state. `ok_at`: when it was last seen to
    be all right. `check_at`: by when it is looked at again. `until`: when it passes by itself, where that is known.
    """

    type: Literal["page.status.v1"] = "page.status.v1"
    page: PageId
    aspect: Aspect
    state: Health
    code: Annotated[str, Field(max_length=64)] = ""
    reason: str = ""
    steps: tuple[Step, ...] = ()
    since: AwareDatetime
    checked_at: AwareDatetime
    ok_at: AwareDatetime | None = None
    check_at: AwareDatetime | None = None
    until: AwareDatetime | None = None
    routing: Routing | None = None
    details: dict[str, str] = Field(default_factory=dict)
    """For people who look closer; nothing is decided by it."""

    @property
    def key(self) -> str:
        return f"{self.page}:{self.aspect}"


class PageCatchUp(BaseEvent):
    """Webhooks of a page were missed: its conversations are read from Facebook. `due` until they have been.

    `missed_since`: what happened from then on may be missing. `asked_at`: of the demand that this answers.
    """

    type: Literal["page.catch_up.v1"] = "page.catch_up.v1"
    page: PageId
    state: Literal["due", "done"]
    missed_since: AwareDatetime
    asked_at: AwareDatetime
    reason: str = ""
    done_at: AwareDatetime | None = None
    conversations: int = 0
    messages: int = 0
    """Read, whether the log had them or not."""

    @property
    def key(self) -> str:
        return f"{self.page}:catch_up"


class PageUnknown(BaseEvent):
    """Webhooks come for a page that no bot has: its events wait in `dead-letters`, also after a bot has the page,

    until `page.opened.v1` follows in this topic.
    """

    type: Literal["page.unknown.v1"] = "page.unknown.v1"
    page: PageId
    apps: tuple[str, ...] = ()
    """Ids of the apps by whose secret they were signed."""

    @property
    def key(self) -> str:
        return f"{self.page}:unknown"


class PageOpened(BaseEvent):
    """What waited for the page is in the log: from `opens_at` on its events go there straight away.

    `taken`: of each partition of `dead-letters`, the offset up to which letters of the page are in the log.
    """

    type: Literal["page.opened.v1"] = "page.opened.v1"
    page: PageId
    opens_at: AwareDatetime
    taken: tuple[int, ...]

    @property
    def key(self) -> str:
        return f"{self.page}:opened"


PageFact = Annotated[PageStatus | PageCatchUp | PageUnknown | PageOpened, Field(discriminator="type")]
