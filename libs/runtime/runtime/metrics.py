"""The catalogue of metrics: each is declared once, here or in a service's `metrics.py` by the functions below.

`CATALOGUE` is what the reference page is generated from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PREFIX: Final = "convoboss_"
# Seconds. From a hop inside the machine to a person's patience.
LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A line of the reference page."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


CATALOGUE: Final[dict[str, Metric]] = {}


def _enter(name: str, kind: str, documentation: str, labels: Sequence[str]) -> str:
    full = PREFIX + name
    CATALOGUE[full] = Metric(full, kind, documentation, tuple(labels))
    return full


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """`name` without prefix, ending in `_total`. Raises ValueError where a name is declared twice."""
    return Counter(_enter(name, "counter", documentation, labels), documentation, labels)


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    """`name` without prefix. Raises ValueError where a name is declared twice."""
    return Gauge(_enter(name, "gauge", documentation, labels), documentation, labels)


def histogram(
    name: str, documentation: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS
) -> Histogram:
    """`name` without prefix, ending in its unit. Raises ValueError where a name is declared twice."""
    return Histogram(_enter(name, "histogram", documentation, labels), documentation, labels, buckets=buckets)


CONSUMED = counter("consumed_total", "Records taken in and committed, duplicates included.", ("group", "topic"))
DUPLICATES = counter("duplicates_total", "Records dropped because their event had been taken in.", ("group", "topic"))
SKIPPED = counter("skipped_total", "Records of a type this version does not know, passed over.", ("group", "topic"))
POISONED = counter("poisoned_total", "Records that made the handler raise when alone.", ("group", "topic"))
UNDECODABLE = counter("undecodable_total", "Records whose bytes could not be read; dead-lettered.", ("group", "topic"))
BATCH_SECONDS = histogram(
    "batch_seconds", "From a batch's first statement to its commit, in seconds.", ("group", "topic")
)
BATCH_RETRIES = counter("batch_retries_total", "Batches put off by a failure that passes.", ("group", "topic", "error"))
FENCED = counter("fenced_total", "Batches rolled back because the partition had another owner.", ("group", "topic"))
STOPPED = gauge(
    "partition_stopped",
    "1 while a partition stands still and needs a person.",
    ("group", "topic", "partition", "reason"),
)
LAG = gauge(
    "consumer_lag_records",
    "Records between the stored offset and the end of the partition.",
    ("group", "topic", "partition"),
)
LAG_SECONDS = gauge(
    "consumer_lag_seconds", "Age of the record that was last taken in, in seconds.", ("group", "topic", "partition")
)
OWNED = gauge("partitions_owned", "Partitions that this process holds with a fence.", ("group",))
OFFSET_COMMITS_FAILED = counter(
    "offset_commits_failed_total", "Kafka offset commits that failed; only lag tools see them.", ("group",)
)
PUBLISHED = counter("published_total", "Records acknowledged by the broker.", ("topic",))
PUBLISH_SECONDS = histogram("publish_seconds", "From handing records over to their acknowledgement, in seconds.")
PUBLISH_FAILED = counter(
    "publish_failed_total", "Publications that failed or were not acknowledged in time.", ("error",)
)
OUTBOX_REPLAYED = counter(
    "outbox_replayed_total",
    "Outbox rows of an earlier owner, or of a broken attempt, that were published.",
    ("group", "topic"),
)
RELAYED = counter("relayed_total", "Outbox rows that the relay published.")
EVENT_LOOP_LAG = gauge("event_loop_lag_seconds", "How late the event loop last ran a timer, in seconds.")
