"""What an answer of the Graph API means for us: one of a few verdicts.

Source: Meta's Messenger error codes, and shapes seen in public captures: an error body under status 200, codes as strings,
app ids as numbers. The three classes: *later* (the same request may be accepted), *permanent* (it never will be),
*not owner* (another app has the thread).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

# Any: the parsed JSON of a foreign system, before a model has read it.
Json = Any

NOT_OWNER_SUBCODES: Final = frozenset({2018300, 2534037})
RATE_CODES: Final = frozenset({4, 17, 32, 613, 80001, 80006})
LATER_CODES: Final = RATE_CODES | {1, 2, 1200}
LEAD_FLOW_SUBCODE: Final = 2018321
"""A lead advertisement's own questions hold the chat; they end by themselves."""
DEAD_TOKEN: Final = 190
TOO_MANY_REQUESTS: Final = 429
REQUEST_TIMEOUT: Final = 408
MESSAGE_LENGTH: Final = 200  # characters kept of Facebook's own words

ROUTING_CODES: Final = frozenset({27, 100})
MESSAGE_SUBCODES: Final = frozenset(
    {2018001, 2534014, 2018008, 2018047, 2018074, 2018109, 2018294, 2018014, 2534037, 2018300}
)
"""Subcodes of 100 that speak of the message or the person, not of the thread control that rides on it."""

REASONS: Final[Mapping[tuple[int, int | None], str]] = {
    (10, 2018278): "The customer last wrote more than 24 hours ago; Facebook delivers no ordinary message after that.",
    (10, 2534022): "The customer last wrote more than 24 hours ago; Facebook delivers no ordinary message after that.",
    (10, 2018065): "The customer last wrote more than 24 hours ago, and the page may not send outside that time.",
    (10, 2018108): "The customer cannot receive messages at the moment.",
    (10, 1893063): "Facebook has restricted the page; see Page Quality in Facebook.",
    (10, None): "The app lacks a permission for this; see App Review in Facebook.",
    (3, None): "The app lacks a permission for this; see App Review in Facebook.",
    (200, None): "The app lacks a permission for this; see App Review in Facebook.",
    (200, 2018028): "The app may not message this person until it is approved; see App Review in Facebook.",
    (200, 1545041): "The customer is not available: blocked the page, or closed the account.",
    (551, None): "The customer is not available: blocked the page, or closed the account.",
    (551, 1545041): "The customer is not available: blocked the page, or closed the account.",
    (100, 2018001): "Facebook knows no such customer of this page.",
    (100, 2534014): "Facebook knows no such customer of this page.",
    (100, 2018164): "The app that control should go to is not connected to the page.",
    (100, 2018008): "Facebook could not fetch the attachment.",
    (100, 2018047): "Facebook does not take this kind of attachment.",
    (100, 2018074): "The attachment belongs to somebody else.",
    (100, 2018109): "The attachment is larger than 25 MB.",
    (100, 2018294): "The video could not be read by Facebook.",
}
"""What a refusal means, in words for the operator."""
ANY_SUBCODE: Final = frozenset({3, 200, 551})
"""Codes whose line without subcode stands for every subcode that has none of its own."""

NOT_OWNER_REASON: Final = "Another app has the conversation, such as the Page Inbox."
DEAD_TOKEN_REASON: Final = "Facebook refuses the page's token; connect the page again in Publishing Configuration."  # noqa: S105 - no token


@dataclass(frozen=True, slots=True)
class Accepted:
    body: Json


@dataclass(frozen=True, slots=True)
class Later:
    """The same request may be accepted later. `rate`: we ask too much. `perhaps_done`: a server's fault may hide success."""

    reason: str
    rate: bool = False
    perhaps_done: bool = False
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Permanent:
    """Not done, and asking again changes nothing."""

    reason: str
    code: int | None = None
    subcode: int | None = None

    @property
    def dead_token(self) -> bool:
        return self.code == DEAD_TOKEN

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


def classify(status: int, body: Json) -> Verdict:
    """`body` is the parsed JSON, None where there was none or it was not JSON."""
    error = _error_of(body)
    if error is not None:
        return _refusal(status, error)
    if 200 <= status < 300:
        if isinstance(body, dict):
            return Accepted(body)
        return Unknown(f"HTTP {status} with an answer that is not a JSON object")
    if status in {REQUEST_TIMEOUT, TOO_MANY_REQUESTS} or _is_fault(status) or status < 400:
        return Later(f"HTTP {status}", rate=status == TOO_MANY_REQUESTS, perhaps_done=_is_fault(status))
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


def _refusal(status: int, error: GraphError) -> Verdict:
    code, subcode = error.code, error.error_subcode
    if subcode in NOT_OWNER_SUBCODES:
        return NotOwner(code, subcode)
    if code == DEAD_TOKEN:
        return Permanent(DEAD_TOKEN_REASON, code, subcode)
    if code in LATER_CODES or subcode == LEAD_FLOW_SUBCODE:
        return Later(_reason(error), rate=code in RATE_CODES, perhaps_done=_is_fault(status), code=code)
    if error.is_transient or _is_fault(status) or status == TOO_MANY_REQUESTS:
        return Later(_reason(error), rate=status == TOO_MANY_REQUESTS, perhaps_done=_is_fault(status), code=code)
    return Permanent(_reason(error), code, subcode)


def _reason(error: GraphError) -> str:
    if error.code is not None:
        subcode = error.error_subcode
        if subcode is not None and (error.code, subcode) not in REASONS and error.code in ANY_SUBCODE:
            subcode = None
        if known := REASONS.get((error.code, subcode)):
            return known
    words = "".join(letter if letter.isprintable() else " " for letter in error.message)[:MESSAGE_LENGTH].strip()
    number = "/".join(str(part) for part in (error.code, error.error_subcode) if part is not None) or "no code"
    return f"Facebook refused it ({number}){': ' + words if words else ''}"
