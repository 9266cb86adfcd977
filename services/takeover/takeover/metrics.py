"""What takeover counts."""

from runtime.metrics import counter, gauge, histogram

DECIDED = counter("decided_total", "Events decided, by type.", ("type",))
SUPPRESSED = counter("suppressed_answers_total", "Answers of the bot that were stopped because a person took over.")
TAKEOVERS = counter("takeovers_total", "Takeovers begun, by cause.", ("cause",))
RETURNS = counter("returns_total", "Takeovers ended, by cause.", ("cause",))
REFUSED = counter("refused_commands_total", "Operators' commands that were refused, by reason.", ("code",))
FAULTS = counter("decide_faults_total", "Events on which the rules raised; a person got the conversation.")
TIMER_DRIFT = histogram(
    "timer_drift_seconds",
    "From a timer's due time to its place in the log, in seconds.",
    ("kind",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 3600.0),
)
TIMERS_FIRED = counter("timers_fired_total", "Timers appended to the log.")
TIMERS_BEHIND = gauge(
    "timers_behind",
    "Timers of this process's partitions that are due and have not fired, once the oldest is 2 s late; of a partition 10,000 are counted at most.",
)
OLDEST_DUE = gauge("timers_oldest_due_seconds", "How late the oldest timer that has not fired is, in seconds.")
NEXT_TIMER = gauge("next_timer_seconds", "Seconds until the next timer of this process; negative: overdue.")
