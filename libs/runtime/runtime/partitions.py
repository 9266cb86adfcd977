"""Which partition a key belongs to: murmur2, as the Java client does it, for every writer of the project."""

import struct
from functools import lru_cache
from typing import Final

from runtime.errors import UnknownTopic
from schemas.topics import TOPICS

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash of `org.apache.kafka.common.utils.Utils.murmur2`, unsigned."""
    length = len(data)
    words = length >> 2
    h = _SEED ^ length
    for word in struct.unpack_from(f"<{words}I", data):
        k = (word * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    rest = data[words << 2 :]
    if rest:
        h = ((h ^ int.from_bytes(rest, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=20_000)  # conversations that are under way; about 3 MB
def partition_of_bytes(key: bytes, partitions: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partition_of(key: str, partitions: int) -> int:
    """The partition, from 0 to `partitions` - 1, in which `key` has its order."""
    return partition_of_bytes(key.encode(), partitions)


def partitions_of(topic: str, common: int) -> int:
    """How many partitions `topic` has, where those keyed by conversation have `common`. Raises `UnknownTopic`."""
    if topic not in TOPICS:
        raise UnknownTopic(topic)
    return TOPICS[topic].partitions or common
