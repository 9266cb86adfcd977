"""The Kafka Streams that is measured is of the broker's own version."""

from bench.streams import PEERS
from local import jars


def test_what_both_lists_of_jars_name_is_the_same_file_so_that_an_update_of_kafka_takes_the_peer_along():
    kafka = {jar.coordinate.rpartition(":")[0]: jar for jar in jars.listed()}
    peer = {jar.coordinate.rpartition(":")[0]: jar for jar in jars.listed(PEERS / "jars.txt")}
    shared = kafka.keys() & peer.keys()
    assert {name: peer[name] for name in shared} == {name: kafka[name] for name in shared}
    versions = {name: jar.coordinate.rpartition(":")[2] for name, jar in peer.items()}
    assert versions["org.apache.kafka:kafka-streams"] == versions["org.apache.kafka:kafka-clients"]
