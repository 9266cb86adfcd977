"""Faults of the mail server, switchable while it runs."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Times = Annotated[int, Field(ge=0, le=1_000_000)]


class Faults(BaseModel):
    """All off by default. A number of times counts down to 0 as the fault happens."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    refuse: tuple[str, ...] = Field(default=(), description="recipients refused with 550; * and ? as in file names")
    fail_4xx: Times = Field(default=0, description="next n mails: 451, nothing kept")
    fail_at: Literal["rcpt", "data"] = Field(default="data", description="the command that fail_4xx answers")
    lose_answers: Times = Field(default=0, description="next n mails: kept, and the connection dies without an answer")
    slow_s: float = Field(default=0, ge=0, le=300, description="seconds before each mail is answered")

    def refuses(self, address: str) -> bool:
        return any(fnmatchcase(address.casefold(), pattern.casefold()) for pattern in self.refuse)


@dataclass
class FaultBook:
    now: Faults = field(default_factory=Faults)

    def spend_4xx(self, command: Literal["rcpt", "data"]) -> bool:
        """Whether this command is to be answered 451."""
        if self.now.fail_4xx == 0 or self.now.fail_at != command:
            return False
        self.now = self.now.model_copy(update={"fail_4xx": self.now.fail_4xx - 1})
        return True

    def spend_lost(self) -> bool:
        """Whether this mail's answer is to be lost."""
        if self.now.lose_answers == 0:
            return False
        self.now = self.now.model_copy(update={"lose_answers": self.now.lose_answers - 1})
        return True
