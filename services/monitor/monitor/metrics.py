"""What the monitor counts."""

from typing import Final

from runtime.metrics import counter, gauge, histogram

TWO_VOICES: Final = counter(
    "two_voices_total",
    "Messages of the bot that were commanded or left where a person had the conversation: must stay 0. "
    "After a start it has those of the last 30 days.",
)
STOPPED: Final = counter(
    "monitor_suppressed_total",
    "What the bot was about to say and did not, by the cause of the takeover; ended: that is over again; repeated: a second "
    "answer to a turn; silence: it was commanded already.",
    ("cause",),
)
TO_SILENCE: Final = histogram(
    "takeover_to_silence_seconds",
    "From an operator's takeover to the report of the last message of the bot's, in seconds of the log; 0: none left after it.",
    buckets=(0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 3600.0),
)
DRIFT: Final = histogram(
    "monitor_expiry_drift_seconds",
    "From a session's deadline to its timer's place in the log, in seconds, as the log tells it.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 3600.0),
)
UNANSWERED: Final = gauge("unanswered_takeovers", "Takeovers that nobody has taken up, by age.", ("age",))
KEPT: Final = gauge("monitor_kept", "Conversations with an open takeover or a message under way.")
LET_GO: Final = counter(
    "monitor_let_go_total", "Conversations, messages and takeovers that were too many or too old to be judged."
)
