"""Topic `dead-letters`: what could not be handled, with its origin, the reason, and the original bytes."""

from typing import Literal

from pydantic import Field

from schemas.base import BaseEvent


class DeadLetter(BaseEvent):
    """`reason`: `undecodable`, `handler` (a fault of ours), `unknown_page`, `unaddressed`."""

    type: Literal["dead.letter.v1"] = "dead.letter.v1"
    origin_topic: str
    origin_partition: int | None = None
    origin_offset: int | None = None
    origin_key: str = ""
    reason: Literal["undecodable", "handler", "unknown_page", "unaddressed"]
    error: str = ""
    value_base64: str
    headers: dict[str, str] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.origin_key or self.id
