"""Where words are: in any column of any table, and in any record of the topics that keep their last record for good."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.broker import connection
from runtime.partitions import partitions_of
from runtime.settings import ServiceSettings
from schemas.topics import TOPICS

_TABLES: Final = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 1
"""


async def tables_with(database: asyncpg.Connection, words: Sequence[str]) -> dict[str, set[str]]:
    """Table → those of the words that a row of it has, in whatever column: text, JSON, arrays, or bytes."""
    found: dict[str, set[str]] = {}
    for table in [row[0] for row in await database.fetch(_TABLES)]:
        for word in words:
            # a row as text has its bytes in hexadecimal
            query = f"SELECT count(*) FROM {table} AS t WHERE t::text ILIKE $1 OR t::text ILIKE $2"  # noqa: S608
            if await database.fetchval(query, f"%{word}%", f"%{word.encode().hex()}%"):
                found.setdefault(table, set()).add(word)
    return found


async def compacted_with(settings: ServiceSettings, words: Sequence[str]) -> Mapping[str, list[str]]:
    """Topic → the keys of its records that have one of the words. Every topic that is compacted is read, and has an entry."""
    topics = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
    kafka = AIOKafkaConsumer(
        **connection(settings, "erasure-test"), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await kafka.start()
    found: dict[str, list[str]] = {name: [] for name in topics}
    try:
        places = [TopicPartition(name, n) for name in topics for n in range(partitions_of(name, settings.partitions))]
        kafka.assign(places)
        ends = await kafka.end_offsets(places)
        while any([await kafka.position(tp) < ends[tp] for tp in places]):
            for records in (await kafka.getmany(timeout_ms=200)).values():
                for record in records:
                    text = f"{record.key!r} {record.value!r} {record.headers!r}"
                    if any(word.lower() in text.lower() for word in words):
                        found[record.topic].append(str(record.key))
    finally:
        await kafka.stop()
    return found
