"""Faults that can be switched on, for all pages or for one: the fixtures of other people's tests."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from facebook.errors import BadToken, GraphError, InjectedError, RateLimited, Unavailable
from facebook.record import Call
from facebook.rules import Asked, Rules

Times = Annotated[int, Field(ge=0, le=1_000_000)]


class OrderedError(BaseModel):
    """An error of one's choice, for the next `times` calls."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    code: int
    subcode: int | None = None
    status: int = Field(default=400, ge=200, le=599)
    message: str = "Ordered by the fault switches"
    times: Times = 1


class Faults(BaseModel):
    """All off by default. A number of times counts down to 0 as the fault happens."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    only: frozenset[Call] = Field(default=frozenset(), description="calls that the answer faults act on; empty: all")
    fail_5xx: Times = Field(default=0, description="next n calls: HTTP 500, error 2, nothing done")
    fail_after_accept: Times = Field(default=0, description="next n sends and controls: done, but answered HTTP 500")
    lose_answers: Times = Field(default=0, description="next n sends and controls: done, and the connection dies")
    delay_answers_s: float = Field(default=0, ge=0, le=300, description="seconds between doing and answering")
    rate_limit: Times = Field(default=0, description="next n calls: error 613")
    regain_access_min: int = Field(default=1, ge=0, description="minutes, in X-Business-Use-Case-Usage of the 613")
    error: OrderedError | None = Field(default=None, description="an error of one's choice")
    refuse_token: bool = Field(default=False, description="every page token: error 190")
    echo_first: bool = Field(default=False, description="a send is answered when its webhooks have been delivered")
    redeliver: bool = Field(default=False, description="every webhook is posted twice")
    hold_webhooks: bool = Field(default=False, description="webhooks wait in the queue")
    delay_webhooks_s: float = Field(default=0, ge=0, le=300, description="seconds before each post")
    batch: int = Field(default=1, ge=1, le=100, description="events in one post, when so many wait")
    mix_pages: bool = Field(default=False, description="a post holds what waits for the app's other pages too")
    both_channels: bool = Field(default=False, description="a message of the owner's comes on standby as well")
    standby_off: bool = Field(default=False, description="nothing is sent on standby")


@dataclass
class FaultBook:
    """The faults that are on. Those of a page stand in for the general ones."""

    general: Faults = field(default_factory=Faults)
    of_page: dict[str, Faults] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)

    def of(self, page_id: str) -> Faults:
        return self.of_page.get(page_id, self.general)

    def put(self, page_id: str | None, faults: Faults) -> None:
        if page_id is None:
            self.general = faults
        else:
            self.of_page[page_id] = faults

    def clear(self) -> None:
        self.general = Faults()
        self.of_page.clear()

    def before(self, page_id: str, call: Call, psid: str | None) -> GraphError | None:
        """The error to answer instead of doing the call."""
        ruled = self.rules.answer(Asked(page_id, call, psid))
        if ruled is not None:
            return ruled
        faults = self.of(page_id)
        if faults.refuse_token:
            return BadToken("Error validating access token: the session has been invalidated")
        if self._spend(page_id, call, "fail_5xx"):
            return Unavailable()
        if self._spend(page_id, call, "rate_limit"):
            return RateLimited()
        return self._ordered(page_id, call)

    def after(self, page_id: str, call: Call) -> Literal["sent", "lost", "failed", "delayed"]:
        """What happens to the answer of a call that was done."""
        if self._spend(page_id, call, "lose_answers"):
            return "lost"
        if self._spend(page_id, call, "fail_after_accept"):
            return "failed"
        faults = self.of(page_id)
        return "delayed" if faults.delay_answers_s and _acts_on(faults, call) else "sent"

    def _ordered(self, page_id: str, call: Call) -> GraphError | None:
        faults = self.of(page_id)
        error = faults.error
        if error is None or error.times == 0 or not _acts_on(faults, call):
            return None
        left = error.model_copy(update={"times": error.times - 1})
        self._change(page_id, faults.model_copy(update={"error": left}))
        return InjectedError(code=error.code, subcode=error.subcode, status=error.status, text=error.message)

    def _spend(
        self, page_id: str, call: Call, name: Literal["fail_5xx", "rate_limit", "lose_answers", "fail_after_accept"]
    ) -> bool:
        faults = self.of(page_id)
        left: int = getattr(faults, name)
        if left == 0 or not _acts_on(faults, call):
            return False
        self._change(page_id, faults.model_copy(update={name: left - 1}))
        return True

    def _change(self, page_id: str, faults: Faults) -> None:
        self.put(page_id if page_id in self.of_page else None, faults)


def _acts_on(faults: Faults, call: Call) -> bool:
    return not faults.only or call in faults.only
