"""How much a page is called, and when that is too much.

Source: "Rate Limits" of the Graph API: 300 calls a second of a page for text, links, reactions and stickers, 10 for
audio and video, 2 of the Conversations API; all Messenger calls in 24 hours; the header X-Business-Use-Case-Usage, in
which `call_count` is a percentage and the time until access is in minutes. How long a page waits that was called too
often is not published: here a minute, and a minute more for each call meanwhile.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, JsonValue

from facebook.errors import OverLimit
from facebook.model import Strict

Rate = Literal["text", "media", "conversations", "other"]

LONGEST = timedelta(hours=1)  # a page waits
DAY = 24  # hours in which all calls are counted


class Limits(Strict):
    """Of a page. `..._per_s`: so many at once, and so many in each second after."""

    text_per_s: int = Field(default=300, ge=1, description="sends of text, templates, pictures; actions")
    media_per_s: int = Field(default=10, ge=1, description="sends of audio and video")
    conversations_per_s: int = Field(default=2, ge=1, description="readings of conversations and messages")
    calls_per_day: int = Field(
        default=1_000_000, ge=1, description="all calls in 24 hours; call_count is a share of it"
    )
    penalty_s: float = Field(
        default=60, gt=0, le=3600, description="no access for so long, more with each call meanwhile"
    )
    code: Literal[4, 17, 32, 613, 80001, 80006] = Field(default=80006, description="of the refusal")

    def of(self, rate: Rate) -> int | None:
        return {
            "text": self.text_per_s,
            "media": self.media_per_s,
            "conversations": self.conversations_per_s,
            "other": None,
        }[rate]


@dataclass
class Bucket:
    """Tokens that are left, and until when nothing is let through."""

    left: float
    at: datetime
    closed_until: datetime | None = None


@dataclass
class Meter:
    """Of all pages. Counts by the box's clock, so that moving it forward ends a wait."""

    buckets: dict[tuple[str, Rate], Bucket] = field(default_factory=dict)
    hours: dict[str, dict[int, int]] = field(default_factory=dict)

    def admit(self, page_id: str, rate: Rate, limits: Limits, now: datetime) -> None:
        """Counts the call. Raises OverLimit."""
        self._count(page_id, now)
        for kind in {rate, "other"}:
            bucket = self.buckets.get((page_id, kind))
            if bucket is not None and _minutes(bucket, now):
                raise _refusal(bucket, limits, now)
        if self._calls(page_id, now) > limits.calls_per_day:
            raise _refusal(self._bucket(page_id, "other", 1, now), limits, now)
        per_second = limits.of(rate)
        if per_second is not None:
            self._spend(self._bucket(page_id, rate, per_second, now), per_second, limits, now)

    def header(self, page_id: str, limits: Limits, now: datetime) -> dict[str, JsonValue]:
        """The value of X-Business-Use-Case-Usage."""
        waits = [_minutes(bucket, now) for (of, _), bucket in self.buckets.items() if of == page_id]
        return usage(page_id, self._percent(page_id, limits, now), max(waits, default=0))

    def clear(self) -> None:
        self.buckets.clear()
        self.hours.clear()

    def _spend(self, bucket: Bucket, per_second: int, limits: Limits, now: datetime) -> None:
        bucket.left = min(per_second, bucket.left + max(0.0, (now - bucket.at).total_seconds()) * per_second)
        bucket.at = now
        if bucket.left < 1:
            raise _refusal(bucket, limits, now)
        bucket.left -= 1

    def _bucket(self, page_id: str, rate: Rate, per_second: int, now: datetime) -> Bucket:
        return self.buckets.setdefault((page_id, rate), Bucket(per_second, now))

    def _count(self, page_id: str, now: datetime) -> None:
        hour = int(now.timestamp() // 3600)
        counts = self.hours.setdefault(page_id, {})
        counts[hour] = counts.get(hour, 0) + 1
        for old in [known for known in counts if known <= hour - DAY]:
            del counts[old]

    def _calls(self, page_id: str, now: datetime) -> int:
        hour = int(now.timestamp() // 3600)
        return sum(count for known, count in self.hours.get(page_id, {}).items() if known > hour - DAY)

    def _percent(self, page_id: str, limits: Limits, now: datetime) -> int:
        closed = any(_minutes(bucket, now) for (of, _), bucket in self.buckets.items() if of == page_id)
        return 100 if closed else min(100, 100 * self._calls(page_id, now) // limits.calls_per_day)


def usage(page_id: str, percent: int, minutes: int) -> dict[str, JsonValue]:
    spent: dict[str, JsonValue] = {
        "type": "messenger",
        "call_count": percent,
        "total_cputime": percent // 4,
        "total_time": percent // 4,
        "estimated_time_to_regain_access": minutes,
    }
    return {page_id: [spent]}


def _refusal(bucket: Bucket, limits: Limits, now: datetime) -> OverLimit:
    """Closes the bucket, or keeps it closed for longer."""
    since = max(now, bucket.closed_until or now)
    bucket.closed_until = min(now + LONGEST, since + timedelta(seconds=limits.penalty_s))
    return OverLimit(limits.code)


def _minutes(bucket: Bucket, now: datetime) -> int:
    if bucket.closed_until is None or bucket.closed_until <= now:
        return 0
    return math.ceil((bucket.closed_until - now).total_seconds() / 60)
