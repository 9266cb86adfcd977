"""Operators: who they are, what their role lets them see."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.messages import Person

Role = Literal["admin", "operator"]
BotId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]

MIN_PASSWORD = 10  # characters
MAX_PASSWORD = 200
MAX_BOTS = 100  # of one operator; who has more is an admin


class Operator(BaseModel):
    """An account. An admin sees every bot; an operator those of `bots`."""

    model_config = ConfigDict(frozen=True)

    id: str
    email: str
    name: str
    role: Role
    bots: tuple[str, ...]
    active: bool
    created_at: AwareDatetime

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def person(self) -> Person:
        """As the log and other operators know them."""
        return Person(id=self.id, name=self.name)

    @property
    def visible_bots(self) -> tuple[str, ...] | None:
        """None: all."""
        return None if self.is_admin else self.bots

    def sees(self, bot: str | None) -> bool:
        """Whether conversations and settings of `bot` are theirs; None is a conversation whose bot is not known yet."""
        return bot is not None and (self.is_admin or bot in self.bots)

    def changed(self, *, role: Role | None, active: bool | None) -> Self:
        """The account after an edit of what bears on rights."""
        return self.model_copy(update={"role": role or self.role, "active": self.active if active is None else active})

    @property
    def governs(self) -> bool:
        """Whether this account can undo mistakes in others."""
        return self.active and self.is_admin
