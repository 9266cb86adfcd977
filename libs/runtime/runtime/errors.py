"""What can go wrong, told apart by what to do about it: try again later, put aside, or stop and call a person."""

import asyncpg

# What passes by itself, by class of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html):
# 08 connection, 25006 read-only (a fail-over), 25P03 idle in transaction, 25P04 too long a
# transaction, 40 rolled back, 53 resources, 55P03 lock, 57 operator, 58 system.
_PASSING = ("08", "25006", "25P03", "25P04", "40", "53", "55P03", "57", "58")
# A newer version migrated the schema beside us: each connection finds out once, and prepares its statements anew.
_OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)


class Refused(Exception):
    """The process cannot work as it is set up. Its text says to a person what to change; a traceback would not help."""


class Later(Exception):
    """The work can be done, but not now: whatever it needs is away. It is tried again with back-off."""


class PublishFailed(Later):
    """Records were not acknowledged by the broker: they may or may not be in the log."""

    def __init__(self, reason: str, topics: frozenset[str]) -> None:
        super().__init__(f"not acknowledged ({', '.join(sorted(topics))}): {reason}")
        self.reason = reason
        self.topics = topics


class Overloaded(PublishFailed):
    """So much waits to be published that no more is taken in."""


class RecordTooLarge(Exception):
    """A record is larger than the broker takes."""

    def __init__(self, topic: str, key: str, size: int, limit: int) -> None:
        super().__init__(f"A record for {topic} with key {key} has {size} bytes, more than {limit}.")
        self.topic = topic
        self.key = key
        self.size = size
        self.limit = limit


class UnknownTopic(Refused):
    """A topic that is not in the catalogue."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"Topic {topic} is not in the catalogue (schemas.topics).")
        self.topic = topic


class WrongPartitions(Refused):
    """A topic has another number of partitions than this process is set to: conversations would lose their order."""

    def __init__(self, topic: str, found: int, expected: int) -> None:
        super().__init__(
            f"Topic {topic} has {found} partitions, but this process expects {expected}. The number is fixed when the"
            f" topics are created: set CONVOBOSS_PARTITIONS to that number, or use a cluster of its own."
        )
        self.topic = topic
        self.found = found
        self.expected = expected


class Fenced(Exception):
    """Another process owns the partition, or this one took it anew: nothing was written."""

    def __init__(self, topic: str, partition: int, fence: int) -> None:
        super().__init__(f"{topic}[{partition}] has another owner than fence {fence}.")
        self.topic = topic
        self.partition = partition
        self.fence = fence


class NotOwned(Exception):
    """Not a partition of this process, or one that it is about to give away."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(f"{topic}[{partition}] is not owned by this process.")
        self.topic = topic
        self.partition = partition


def passes(error: BaseException) -> bool:
    """Whether trying again later can help: `Later`, the network, a time-out, a database that is away or busy."""
    if isinstance(error, (Later, OSError, TimeoutError, *_OUTDATED)):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_PASSING)
    # asyncpg's own errors: a closed connection, or one that breaks under it or under another task
    if isinstance(error, asyncpg.InternalClientError):
        return True
    return isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError | TypeError)
