"""How what Faust fetched is handed on."""

from flow_engine.faust_turns import OneAfterTheOther


def test_what_was_fetched_comes_partition_by_partition_so_that_batches_are_large():
    fetched = {"turns[0]": [1, 2, 3], "turns[1]": [4], "turns[2]": [5, 6]}
    assert list(OneAfterTheOther().iterate(fetched)) == [
        ("turns[0]", 1),
        ("turns[0]", 2),
        ("turns[0]", 3),
        ("turns[1]", 4),
        ("turns[2]", 5),
        ("turns[2]", 6),
    ]
