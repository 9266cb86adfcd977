"""How Faust's client is run, and how what it fetched is handed on."""

import asyncio
import threading

from flow_engine.faust_turns import OneAfterTheOther, make_app
from runtime.settings import ServiceSettings


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


async def test_fausts_client_works_in_our_loop_and_thread_so_that_a_turn_waits_for_no_hand_over(tmp_path):
    client = make_app(ServiceSettings(), "flow-engine", tmp_path).consumer._thread
    async with asyncio.timeout(5):
        where = await client.call_thread(lambda: (threading.get_ident(), asyncio.get_running_loop()))
    assert where == (threading.get_ident(), asyncio.get_running_loop())
    assert client.thread_loop is asyncio.get_running_loop()
