"""What an answer of the Graph API means for us: one of a few verdicts.

Source: Meta's Messenger error codes, and shapes seen in public captures: an error body under status 200, codes as strings,
app ids as numbers. The three classes of refusals: *later* (the same request may be accepted), *permanent* (it never will
be), *not owner* (another app has the thread). Which code is which is in `graphapi.errors`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from graphapi.errors import ANSWER_THERE, NOT_OWNER_REASON, Consequence, line
from graphapi.usage import NONE, Usage

# Any: the parsed JSON of a foreign system, before a model has read it.
Json = Any

TOO_MANY_REQUESTS: Final = 429
REQUEST_TIMEOUT: Final = 408
MESSAGE_LENGTH: Final = 200  # characters kept of Facebook's own words
LEAD_FLOW_WAIT: Final = 120.0  # seconds: a person answers a form meanwhile

ROUTING_CODES: Final = frozenset({27, 100})
MESSAGE_SUBCODES: Final = frozenset(
    {2018001, 2534014, 2018008, 2018047, 2018074, 2018109, 2018294, 2018014, 2534037, 2018300}
)
"""Subcodes of 100 that speak of the message or the person, not of the thread control that rides on it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    body: Json
    usage: Usage = NONE


@dataclass(frozen=True, slots=True)
class Later:
    """The same request may be accepted later. `perhaps_done`: a server's fault may hide success.

    `pauses`: whether nothing at all is to be asked for the page, or for the app, for a while. `wait`: the least seconds
    until the same request again.
    """

    reason: str
    pauses: Literal["page", "app"] | None = None
    perhaps_done: bool = False
    code: int | None = None
    subcode: int | None = None
    wait: float = 0.0
    usage: Usage = NONE


@dataclass(frozen=True, slots=True)
class Permanent:
    """Not done, and asking again changes nothing. `does`: `refuse`, `configuration`, `stop tags` or `stop page`.

    `next_step`: a word for what somebody can do about it; see `graphapi.errors.Line`.
    """

    reason: str
    code: int | None = None
    subcode: int | None = None
    does: Consequence = Consequence.REFUSE
    next_step: str = ""

    @property
    def dead_token(self) -> bool:
        """The request itself is in order: with another token it may be done."""
        return self.does is Consequence.STOP_PAGE

    @property
    def may_be_the_routing(self) -> bool:
        """Whether a thread control that rode on a message may be what was refused."""
        return self.code in ROUTING_CODES and self.subcode not in MESSAGE_SUBCODES


@dataclass(frozen=True, slots=True)
class NotOwner:
    """Not done: another app has the thread."""

    code: int | None
    subcode: int | None
    reason: str = NOT_OWNER_REASON
    next_step: str = ANSWER_THERE


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may or may not have been carried out."""

    reason: str


Verdict = Accepted | Later | Permanent | NotOwner | Unknown


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value).replace("\x00", "")  # PostgreSQL keeps none


LenientInt = Annotated[int | None, BeforeValidator(_number)]
LenientText = Annotated[str, BeforeValidator(_text)]


class GraphError(_Lenient):
    """The `error` of an answer."""

    message: LenientText = ""
    code: LenientInt = None
    error_subcode: LenientInt = None
    is_transient: Annotated[bool, BeforeValidator(lambda value: value is True)] = False


class SendAnswer(_Lenient):
    """`message_id` may be missing; the echo brings it then."""

    message_id: LenientText = ""


class ControlAnswer(_Lenient):
    success: Annotated[bool, BeforeValidator(lambda value: value is True or value == "true")] = True


class _ThreadOwner(_Lenient):
    app_id: LenientText = ""


class _OwnerEntry(_Lenient):
    thread_owner: _ThreadOwner | None = None


class OwnerAnswer(_Lenient):
    data: tuple[_OwnerEntry, ...]


class ProfileAnswer(_Lenient):
    first_name: LenientText = ""
    last_name: LenientText = ""
    profile_pic: LenientText = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """`known` False: somebody else has the thread and Facebook does not tell who, or the answer could not be read."""

    known: bool
    app_id: str | None = None


def classify(status: int, body: Json, usage: Usage = NONE) -> Verdict:
    """`body` is the parsed JSON, None where there was none or it was not JSON."""
    error = _error_of(body)
    if error is not None:
        return _refusal(status, error, usage)
    if 200 <= status < 300:
        if isinstance(body, dict):
            return Accepted(body, usage)
        return Unknown(f"HTTP {status} with an answer that is not a JSON object")
    if status in {REQUEST_TIMEOUT, TOO_MANY_REQUESTS} or _is_fault(status) or status < 400:
        return _later(status, f"HTTP {status}", usage)
    return Permanent(f"Facebook answered HTTP {status} without saying why.")


def control(verdict: Verdict) -> Verdict:
    """A thread-control call may answer that it did not succeed without naming an error."""
    if isinstance(verdict, Accepted) and not ControlAnswer.model_validate(verdict.body).success:
        return Permanent("Facebook answered that it did not happen.")
    return verdict


def message_id(accepted: Accepted) -> str:
    return SendAnswer.model_validate(accepted.body).message_id


def owner(verdict: Verdict) -> Owner:
    """An empty list means that nobody has the thread; an owner without app id is one that is not told to us."""
    if not isinstance(verdict, Accepted):
        return Owner(known=False)
    try:
        answer = OwnerAnswer.model_validate(verdict.body)
    except ValidationError:
        return Owner(known=False)
    holder = next((entry.thread_owner for entry in answer.data), None)
    if not answer.data:
        return Owner(known=True)
    if holder is None or not holder.app_id:
        return Owner(known=False)
    return Owner(known=True, app_id=holder.app_id)


def profile(verdict: Verdict) -> ProfileAnswer:
    """Empty where Facebook tells nothing."""
    if not isinstance(verdict, Accepted):
        return ProfileAnswer()
    return ProfileAnswer.model_validate(verdict.body)


def _is_fault(status: int) -> bool:
    return status >= 500


def _error_of(body: Json) -> GraphError | None:
    error = body.get("error") if isinstance(body, dict) else None
    if error is None or error is False:
        return None
    if isinstance(error, dict):
        return GraphError.model_validate(error)
    return GraphError(message=_text(error))


def _refusal(status: int, error: GraphError, usage: Usage) -> Verdict:
    code, subcode = error.code, error.error_subcode
    found = line(code, subcode, status=status, message=error.message)
    reason = (found and found.reason) or _words(error)
    transient = error.is_transient or _is_fault(status) or status == TOO_MANY_REQUESTS
    match found.does if found is not None else Consequence.RETRY if transient else Consequence.REFUSE:
        case Consequence.NOT_OWNER:
            return NotOwner(code, subcode)
        case Consequence.PAUSE_PAGE:
            return replace(_later(status, reason, usage, error), pauses="page")
        case Consequence.PAUSE_APP:
            return replace(_later(status, reason, usage, error), pauses="app")
        case Consequence.WAIT:
            later = _later(status, reason, usage, error)
            return replace(later, wait=max(later.wait, LEAD_FLOW_WAIT))
        case Consequence.RETRY:
            return _later(status, reason, usage, error)
        case Consequence.STOP_PAGE | Consequence.STOP_TAGS as does:
            return Permanent(reason, code, subcode, does, found.next_step if found is not None else "")
        case Consequence.REFUSE | Consequence.CONFIGURATION as does:
            step = found.next_step if found is not None else _unlisted(error)
            return _later(status, reason, usage, error) if transient else Permanent(reason, code, subcode, does, step)


def _later(status: int, reason: str, usage: Usage, error: GraphError | None = None) -> Later:
    """Too many requests, whatever the body says of it, are the page's."""
    return Later(
        reason,
        pauses="page" if status == TOO_MANY_REQUESTS else None,
        perhaps_done=_is_fault(status),
        code=error.code if error is not None else None,
        subcode=error.error_subcode if error is not None else None,
        wait=usage.wait,
        usage=usage,
    )


def _unlisted(error: GraphError) -> str:
    """A parameter that Facebook does not take is of the message; all else is for who runs the system."""
    return "shorten" if error.code == 100 else "ask_ops"


def _words(error: GraphError) -> str:
    words = "".join(letter if letter.isprintable() else " " for letter in error.message)[:MESSAGE_LENGTH].strip()
    number = "/".join(str(part) for part in (error.code, error.error_subcode) if part is not None) or "no code"
    return f"Facebook refused it ({number}){': ' + words if words else ''}"
