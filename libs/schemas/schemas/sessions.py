"""Where a customer stands in a flow. It travels with every turn, so that the flow engine keeps nothing."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Document

MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE = 2000  # characters of one value


class Session(Document):
    """`flow` is `<flow>@<version>`, pinned until the session ends; `at` is the block it rests on.

    `waits_for`: `start` (the next input begins at Start), `answer` (to the question at `at`), `delay` (the Delay block
    at `at`), `person` (the *Let Human Takeover* block at `at`), `input` (the flow has run out: keywords, then the default reply).
    """

    flow: str
    at: str | None = None
    waits_for: Literal["start", "answer", "delay", "person", "input"] = "start"
    attempts: Annotated[int, Field(ge=0)] = 0
    """How often the open question was answered in a way that did not fit."""
    delay_turn: str | None = None
    """The turn that began the delay: `DelayElapsed` counts only if it names this one."""
    attributes: dict[str, str] = Field(default_factory=dict)
