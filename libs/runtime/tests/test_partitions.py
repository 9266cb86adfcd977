"""The partitioner, against the Java client's own test values and aiokafka's partitioner."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import UnknownTopic
from runtime.partitions import murmur2, partition_of, partitions_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, as signed 32-bit numbers
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("text", "signed"), JAVA.items())
def test_hash_is_the_java_clients(text, signed):
    assert murmur2(text.encode()) == signed % 2**32


@given(st.binary(max_size=70))
def test_hash_agrees_with_aiokafkas_for_any_key(key):
    assert murmur2(key) == reference(key)


@given(st.text(max_size=60), st.integers(1, 100))
def test_partition_is_the_one_that_a_default_client_would_choose(key, partitions):
    numbers = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), numbers, numbers)


def test_topics_keyed_by_conversation_have_the_common_number_and_others_their_own():
    assert partitions_of("conversations", 48) == 48
    assert partitions_of("bots", 48) == 1
    with pytest.raises(UnknownTopic, match="not in the catalogue"):
        partitions_of("nonsense", 48)
