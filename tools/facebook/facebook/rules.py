"""Refusals that are ordered by rule: for which page, call and person, how often, with which answer."""

import json
import random
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import Field, model_validator

from facebook.errors import InjectedError
from facebook.model import Id, Strict
from facebook.record import Call
from facebook.refusals import REFUSALS, Refusal
from facebook.usage import usage

LONGEST = 100  # rules at once


class Rule(Strict):
    """What is left open fits everything. The first rule that fits answers, and the call is not done.

    `refusal` names a row of the table (`GET /box/refusals`); what is given besides stands in for it.
    """

    refusal: str | None = None
    page: Id | None = None
    psid: Id | None = None
    calls: frozenset[Call] = frozenset()
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(default=1, description="None: until it is removed")
    probability: float = Field(default=1, gt=0, le=1)
    code: int | None = None
    subcode: int | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    message: str | None = None
    transient: bool | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    words: str | None = Field(default=None, description="this body, and no JSON")
    minutes: Annotated[int, Field(ge=0)] | None = Field(default=None, description="until access, in the usage header")

    @model_validator(mode="after")
    def answers_something(self) -> Self:
        if self.refusal is not None and self.refusal not in REFUSALS:
            raise ValueError(f"refusal {self.refusal} is not in the table: GET /box/refusals")
        if self.refusal is None and self.code is None and self.words is None:
            raise ValueError("refusal, code or words is required")
        return self

    def fits(self, call: "Asked") -> bool:
        return (
            self.page in {None, call.page_id}
            and self.psid in {None, call.psid}
            and (not self.calls or call.name in self.calls)
        )

    def error(self, page_id: str | None) -> InjectedError:
        row = REFUSALS[self.refusal] if self.refusal else Refusal(self.code or 0)
        minutes = row.minutes if self.minutes is None else self.minutes
        headers = dict(self.headers)
        if minutes is not None and page_id is not None:
            headers.setdefault("X-Business-Use-Case-Usage", json.dumps(usage(page_id, 100, minutes)))
        return InjectedError(
            code=row.code if self.code is None else self.code,
            subcode=row.subcode if self.subcode is None else self.subcode,
            status=self.status or row.status,
            text=row.text if self.message is None else self.message,
            transient=row.transient if self.transient is None else self.transient,
            headers=headers,
            words=row.words if self.words is None else self.words,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as a rule sees it."""

    page_id: str | None
    name: Call
    psid: str | None


@dataclass
class Ordered:
    """A rule at work. `hits`: how often it answered."""

    id: int
    rule: Rule
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        return self.rule.times is not None and self.hits >= self.rule.times


@dataclass
class Rules:
    rng: random.Random = field(default_factory=random.SystemRandom)
    ordered: list[Ordered] = field(default_factory=list)
    _last: int = 0

    def add(self, rule: Rule) -> Ordered:
        """Spent rules stay in sight, until there are too many."""
        self._last += 1
        added = Ordered(self._last, rule)
        self.ordered = [*self.ordered[-(LONGEST - 1) :], added]
        return added

    def remove(self, rule_id: int) -> bool:
        """Whether there was such a rule."""
        before = len(self.ordered)
        self.ordered = [one for one in self.ordered if one.id != rule_id]
        return len(self.ordered) < before

    def clear(self) -> None:
        self.ordered = []

    def answer(self, call: Asked) -> InjectedError | None:
        for one in self.ordered:
            if one.is_spent or not one.rule.fits(call):
                continue
            if one.rule.probability < 1 and self.rng.random() >= one.rule.probability:
                continue
            one.hits += 1
            return one.rule.error(call.page_id)
        return None
