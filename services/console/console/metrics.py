"""The console's metrics."""

from runtime import metrics

API_SECONDS = metrics.histogram(
    "console_api_seconds", "From a request's arrival to its answer, in seconds.", ("operation", "status")
)
COMMANDS = metrics.counter(
    "console_commands_total",
    "Operators' commands by what the console said: sent, repeated, refused, unavailable.",
    ("kind", "result"),
)
SIGN_INS = metrics.counter("console_sign_ins_total", "Attempts to sign in, by result.", ("result",))
LIVE_SOCKETS = metrics.gauge("console_live_sockets", "Open live sockets of this process.")
LIVE_SENT = metrics.counter("console_live_events_total", "Live events handed to sockets.")
LIVE_GAPS = metrics.counter(
    "console_live_gaps_total", "Subscriptions that asked for events that are not kept any more."
)
LIVE_CLOSED = metrics.counter("console_live_closed_total", "Sockets that the console closed, by reason.", ("reason",))
FLOWS_PENDING = metrics.gauge(
    "console_flows_pending", "Published flow versions that the broker has not acknowledged yet."
)
