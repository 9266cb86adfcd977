"""What the flow engine counts."""

from runtime.metrics import counter, gauge, histogram

TURNS = counter(
    "turns_total",
    "Turns by how they ended: completed, takeover, failed, unfinished (the flow version is not known), undecodable.",
    ("result",),
)
TURN_SECONDS = histogram(
    "turn_seconds",
    "Time that a turn takes by itself, without the broker, in seconds.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0),
)
TURNS_REPEATED = counter("turns_repeated_total", "Turns that were asked for more than once.")
NOTICES = counter(
    "turn_notices_total", "Notices of turns, by code: a loop that was cut, a block that is gone.", ("code",)
)
FLOWS = gauge("flow_versions", "Flow versions that are known.")
TURNS_WAITING = gauge("turns_waiting", "Turns of this process's partitions that are not answered yet.", ("partition",))
PUBLISH_RETRIES = counter(
    "turn_publish_retries_total", "Times that answers to turns were published again after a failure."
)
