"""Metrics of this service; see `runtime.metrics`."""

from typing import Final

from runtime.metrics import counter, gauge, histogram

REQUESTS: Final = counter(
    "messenger_requests_total", "Requests to Facebook, by what was asked and what came of it.", ("step", "verdict")
)
REQUEST_SECONDS: Final = histogram("messenger_request_seconds", "From a request to Facebook to its answer.", ("step",))
CLOSED: Final = counter("messenger_commands_closed_total", "Commands that came to an end.", ("kind", "state"))
SUPPRESSED: Final = counter("messenger_suppressed_total", "Commands that a Silence kept from being sent.")
DEAD_TOKENS: Final = counter(
    "messenger_dead_tokens_total", "Times that a page was stopped because Facebook refused its token.", ("page",)
)
PAUSES: Final = counter("messenger_pauses_total", "Times that a page or an app was paused, by why.", ("code",))
PAUSED: Final = gauge("messenger_pages_paused", "Pages for which nothing is asked of Facebook for a while.")
STOPPED: Final = gauge("messenger_pages_stopped", "Pages whose token Facebook refuses.")
HELD: Final = counter(
    "messenger_held_total", "Times that a conversation waited for its page's limit, by the limit.", ("kind",)
)
UNKNOWN: Final = counter(
    "messenger_unknown_total", "Messages of unknown outcome, by what told, or what became of them.", ("settled",)
)
IN_FLIGHT: Final = gauge("messenger_in_flight", "Conversations that are worked on at this moment.")
BACKLOG_AGE: Final = gauge(
    "messenger_backlog_age_seconds", "Age of the oldest command that is not yet done, in the partitions owned."
)
SWEPT: Final = counter("messenger_swept_total", "Closed commands deleted after their time.")
