"""The one shape of every refusal, after RFC 9457, and the ways in which the console refuses."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from schemas.messages import Person, Said

RETRY_AFTER = 2  # seconds; a broker or database that restarts is back within some


class FieldProblem(BaseModel):
    """A field that was refused, as a path with dots, and why."""

    field: str
    reason: str


class Present(BaseModel):
    """Who has the conversation, when a command did not fit."""

    owner: Literal["bot", "human"]
    epoch: int
    holder: Person | None
    since: AwareDatetime | None
    deadline: AwareDatetime | None


class Problem(BaseModel):
    """A refusal. `code` is for machines; `title` and `detail` are for people; `field` is the first field that was refused."""

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    detail: str = ""
    field: str | None = None
    errors: tuple[FieldProblem, ...] = ()
    request_id: str = ""
    retryable: bool = False
    present: Present | None = None
    newer: tuple[Said, ...] = ()
    """What was said since the composer's last entry."""
    version: int | None = None
    """The present version, when If-Match named another."""
    changed_by: Person | None = None
    changed_at: datetime | None = None


class Refusal(Exception):
    """A request is refused with `status` and `problem`."""

    def __init__(self, status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {problem.code}: {problem.detail or problem.title}")
        self.status = status
        self.problem = problem
        self.headers = dict(headers or {})


def refuse(status: int, code: str, title: str, detail: str = "", field: str | None = None) -> Refusal:
    """A refusal that concerns at most one field."""
    errors = (FieldProblem(field=field, reason=detail or title),) if field else ()
    return Refusal(status, Problem(code=code, title=title, detail=detail, field=field, errors=errors))


def invalid(field: str, reason: str) -> Refusal:
    return refuse(422, "invalid", "The request is not valid.", reason, field)


def all_invalid(problems: Sequence[FieldProblem]) -> Refusal:
    """Several fields at once; the first one is named in `field`."""
    first = problems[0]
    problem = Problem(
        code="invalid",
        title="The request is not valid.",
        detail=first.reason,
        field=first.field,
        errors=tuple(problems),
    )
    return Refusal(422, problem)


def from_validation(error: ValidationError, where: str = "") -> Refusal:
    """What pydantic found, without the values: they may be secrets."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return refuse(400, "bad_json", "The body is not JSON.", found[0]["msg"])
    return all_invalid(
        [
            FieldProblem(
                field=".".join(str(part) for part in item["loc"]) or where or "body", reason=_reason(item["msg"])
            )
            for item in found[:50]
        ]
    )


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def unknown(what: str) -> Refusal:
    """Nothing of that name, or something that this operator must not see: the two look the same."""
    return refuse(404, f"unknown_{what}", f"There is no such {what.replace('_', ' ')}.")


def forbidden(detail: str, field: str | None = None) -> Refusal:
    return refuse(403, "forbidden", "This needs another right.", detail, field)


def unavailable(code: str, title: str) -> Refusal:
    """Something that the console needs is away for now; the same request may be sent again."""
    return Refusal(503, Problem(code=code, title=title, retryable=True), {"Retry-After": str(RETRY_AFTER)})


def too_many(retry_after: int) -> Refusal:
    problem = Problem(
        code="too_many_attempts",
        title="Too many attempts to sign in.",
        detail=f"Try again in {retry_after} seconds.",
        retryable=True,
    )
    return Refusal(429, problem, {"Retry-After": str(retry_after)})


def stale(version: int, changed_by: Person | None = None, changed_at: datetime | None = None) -> Refusal:
    """If-Match named a version that is no more."""
    problem = Problem(
        code="changed_since",
        title="It was changed since you read it.",
        detail=f"The present version is {version}.",
        version=version,
        changed_by=changed_by,
        changed_at=changed_at,
    )
    return Refusal(412, problem)
