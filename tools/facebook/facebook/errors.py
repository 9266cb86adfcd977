"""What Facebook answers when it refuses a call: one class an error, with its code, subcode and HTTP status.

Source of codes: "Error Codes" and "Rate Limits" of the Messenger Platform documentation, and field reports where the
documentation is silent (27, and 100 for a pass by an app that is not the owner).
"""

from collections.abc import Mapping

from pydantic import JsonValue


class GraphError(Exception):
    """A refused call. `text` is Facebook's sentence without the leading number."""

    code: int = 1
    subcode: int | None = None
    status: int = 400
    kind: str = "OAuthException"
    transient: bool = False
    text: str = "An unknown error occurred"

    def __init__(self, text: str | None = None) -> None:
        if text is not None:
            self.text = text
        super().__init__(self.text)

    def body(self, trace_id: str) -> dict[str, JsonValue]:
        """The JSON body as the Graph API writes it."""
        error: dict[str, JsonValue] = {"message": f"(#{self.code}) {self.text}", "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        error["fbtrace_id"] = trace_id
        return {"error": error}


class Unavailable(GraphError):
    code = 2
    status = 500
    transient = True
    text = "Service temporarily unavailable"


class RateLimited(GraphError):
    code = 613
    text = "Calls to this api have exceeded the rate limit."


class OverLimit(RateLimited):
    """The page is called too often, or was a moment ago."""

    def __init__(self, code: int) -> None:
        super().__init__("There have been too many calls to this Page account. Wait a bit and try again.")
        self.code = code


class BadToken(GraphError):
    code = 190
    text = "Invalid OAuth access token - Cannot parse access token"


class BadProof(GraphError):
    code = 100
    text = "Invalid appsecret_proof provided in the API argument"


class ProofRequired(GraphError):
    code = 100
    text = "API calls from the server require an appsecret_proof argument"


class NoPermission(GraphError):
    code = 200
    status = 403
    text = "The token does not belong to this page"


class InvalidParameter(GraphError):
    code = 100
    text = "Invalid parameter"


class ActionWithMessage(GraphError):
    code = 100
    subcode = 2018014
    text = "sender_action cannot be sent together with a message"


class NoSuchPerson(GraphError):
    code = 100
    subcode = 2018001
    text = "No matching user found"


class NoSuchObject(GraphError):
    code = 100
    subcode = 33
    text = "Unsupported request. The object does not exist or cannot be loaded due to missing permissions"


class BadTargetApp(GraphError):
    code = 100
    subcode = 2018164
    text = "The target app id is not an app connected to this page"


class PersonUnavailable(GraphError):
    code = 551
    subcode = 1545041
    text = "This person isn't available right now."


class ProfileUnreadable(GraphError):
    code = 100
    subcode = 2018218
    text = "The profile of this person cannot be read"


class OutsideWindow(GraphError):
    code = 10
    subcode = 2018278
    text = "This message is sent outside of allowed window."


class HumanAgentNotApproved(GraphError):
    code = 10
    status = 403
    text = "The Human Agent feature is not approved for this app"


class AttachmentNotOwned(GraphError):
    code = 100
    subcode = 2018074
    text = "The attachment does not belong to this page"


class DeadTag(GraphError):
    code = 100
    text = "The message tag is not supported any more"


class NotThreadOwner(GraphError):
    """Another app holds the thread: the ground truth of ownership."""

    code = 10
    subcode = 2018300
    text = "Message not sent: another app is controlling this thread now."


class NotController(GraphError):
    """Pass, release or extend by an app that does not hold the thread."""

    code = 100
    text = "Thread control cannot be changed by an app that does not control the thread"


class TakeBlocked(GraphError):
    code = 27
    text = "Taking thread control is blocked: the page has no default app"


class TakeNotAllowed(GraphError):
    code = 200
    status = 403
    text = "The page does not allow this app to take thread control"


class NotPrimary(GraphError):
    """The Handover Protocol: only the primary receiver takes."""

    code = 200
    status = 403
    text = "Only the primary receiver can take thread control"


class OnlyWithRouting(GraphError):
    code = 100
    text = "This is not supported for pages of the Handover Protocol"


class LeadFlowHolds(GraphError):
    """The questions of a lead advertisement hold the chat."""

    code = 10
    subcode = 2018321
    text = "Message not sent: an automated flow is running in this conversation"


class NotLegacyRouting(GraphError):
    code = 100
    subcode = 2018234
    text = "The page has no secondary receivers"


class CallbackNotVerified(GraphError):
    code = 2200
    text = "Callback verification failed"


class InjectedError(GraphError):
    """An error ordered through the fault switches. `words` None: an error body as Facebook writes it."""

    def __init__(
        self,
        *,
        code: int,
        subcode: int | None,
        status: int,
        text: str,
        transient: bool = False,
        headers: Mapping[str, str] | None = None,
        words: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.subcode = subcode
        self.status = status
        self.transient = transient
        self.headers = dict(headers or {})
        self.words = words
