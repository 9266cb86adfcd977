"""Every way in which Facebook is known to refuse a call, by a name of ours, for rules to order one.

Source: "Error Codes" of the Messenger Platform, "Rate Limits" of the Graph API, the reference of take_thread_control, and
field reports for what these leave out (27, 100 of a pass by another app, 10 with HTTP 403). The sentences are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Refusal:
    """`words`: the body where Facebook sends no JSON, `minutes`: in the usage header."""

    code: int
    subcode: int | None = None
    status: int = 400
    text: str = "Refused"
    transient: bool = False
    words: str | None = None
    minutes: int | None = None


OUTSIDE = "This message is sent outside of allowed window."
TOO_MANY = "There have been too many calls. Wait a bit and try again."
DEAD = "Error validating access token"

REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "unknown_error": Refusal(1, None, 500, "An unknown error occurred", transient=True),
        "temporary": Refusal(2, None, 500, "Service temporarily unavailable", transient=True),
        "temporary_400": Refusal(2, None, 400, "Service temporarily unavailable", transient=True),
        "temporary_send": Refusal(1200, None, 500, "Temporary send message failure. Please try again later."),
        "gateway": Refusal(0, None, 502, words="<html><body>Bad Gateway</body></html>"),
        "unavailable": Refusal(0, None, 503, words=""),
        "too_many_requests": Refusal(0, None, 429, words=""),
        "error_under_200": Refusal(2, None, 200, "Service temporarily unavailable", transient=True),
        "refused_under_200": Refusal(100, 2018001, 200, "No matching user found"),
        "app_limit": Refusal(4, None, 400, "Application request limit reached", minutes=1),
        "user_limit": Refusal(17, None, 400, "User request limit reached", minutes=1),
        "page_limit": Refusal(32, None, 400, "Page request limit reached", minutes=1),
        "custom_limit": Refusal(613, None, 400, "Calls to this api have exceeded the rate limit.", minutes=1),
        "pages_limit": Refusal(80001, None, 400, TOO_MANY, minutes=1),
        "messenger_limit": Refusal(80006, None, 400, TOO_MANY, minutes=1),
        "tag_abuse": Refusal(613, 2018338, 400, "The page used message tags in ways that are not allowed"),
        "outside_window": Refusal(10, 2018278, 400, OUTSIDE),
        "outside_window_instagram": Refusal(10, 2534022, 400, OUTSIDE),
        "outside_window_no_subscription": Refusal(10, 2018065, 400, OUTSIDE),
        "cannot_receive": Refusal(10, 2018108, 400, "This Person Cannot Receive Messages right now"),
        "not_owner": Refusal(10, 2018300, 400, "Message not sent: another app is controlling this thread now."),
        "not_owner_instagram": Refusal(100, 2534037, 400, "Invalid action: the app is not the thread owner"),
        "lead_flow": Refusal(10, 2018321, 400, "Message not sent: an automated flow is running"),
        "human_agent_not_approved": Refusal(10, None, 403, "The Human Agent feature is not approved for this app"),
        "page_restricted": Refusal(10, 1893063, 400, "The page is restricted from sending messages"),
        "no_such_person": Refusal(100, 2018001, 400, "No matching user found"),
        "no_such_person_instagram": Refusal(100, 2534014, 400, "No matching user found"),
        "bad_target_app": Refusal(100, 2018164, 400, "The target app id is not an app connected to this page"),
        "dead_tag": Refusal(100, None, 400, "The message tag is not supported any more"),
        "invalid_parameter": Refusal(100, None, 400, "Invalid parameter"),
        "action_with_message": Refusal(100, 2018014, 400, "sender_action cannot be sent together with a message"),
        "attachment_not_fetched": Refusal(100, 2018008, 400, "Failed to fetch the file from the url"),
        "attachment_type": Refusal(100, 2018047, 400, "Upload attachment failure: the type does not match"),
        "attachment_owner": Refusal(100, 2018074, 400, "The attachment belongs to another page"),
        "attachment_too_large": Refusal(100, 2018109, 400, "Attachment size exceeds allowable limit"),
        "video_unreadable": Refusal(100, 2018294, 400, "The video could not be processed"),
        "token_dead": Refusal(190, None, 400, DEAD),
        "token_password_changed": Refusal(190, 460, 400, f"{DEAD}: the password was changed"),
        "token_expired": Refusal(190, 463, 400, f"{DEAD}: the session has expired"),
        "token_invalid": Refusal(190, 467, 401, f"{DEAD}: it was invalidated"),
        "permission": Refusal(200, None, 403, "Requires a permission that was not granted"),
        "permission_person": Refusal(
            200, 2018028, 403, "Cannot message users who are not admins, developers or testers"
        ),
        "capability": Refusal(3, None, 400, "Application does not have the capability to make this API call"),
        "permission_10": Refusal(10, None, 400, "Application does not have permission for this action"),
        "person_unavailable": Refusal(551, None, 400, "This person isn't available right now."),
        "person_unavailable_1545041": Refusal(551, 1545041, 400, "This person isn't available right now."),
        "person_blocked_page": Refusal(200, 1545041, 403, "This person isn't available right now."),
        "no_profile_consent": Refusal(230, None, 400, "Requires the person's consent"),
        "profile_unreadable": Refusal(100, 2018218, 400, "The profile of this person cannot be read"),
        "profile_no_rights": Refusal(100, 2018247, 400, "No profile available for this user"),
        "bad_account_linking_token": Refusal(10303, None, 400, "Invalid account_linking_token"),
        "take_blocked": Refusal(27, None, 400, "Taking thread control is blocked"),
        "not_controller": Refusal(100, None, 400, "The app does not control the thread"),
        "control_timeout": Refusal(504, None, 504, "The request timed out"),
        "no_secondary_receivers": Refusal(100, 2018234, 400, "The page has no secondary receivers"),
        "no_handover": Refusal(100, 2018171, 400, "The page does not use the Handover Protocol"),
        "handover_disabled": Refusal(100, None, 400, "Handover Protocol APIs disabled for this page."),
    }
)
