"""What the parts about the bot stand on: the turns that are asked, the bare chain, the table of `make run`."""

from collections import Counter

from bench import hops
from bench.memory import addresses
from bench.reply import milliseconds
from bench.turns import CONVERSATIONS_AT_ONCE, TURNS_A_ROUND, example_flow, turns
from flow_engine.interpreter import take_turn


def test_a_round_asks_as_many_turns_as_it_says_each_once_and_each_is_answered_with_a_message():
    flow = example_flow()
    asked = turns(flow, 0)
    assert len({each.id for each in asked}) == len(asked) == TURNS_A_ROUND
    assert set(Counter(each.conversation for each in asked).values()) == {TURNS_A_ROUND // CONVERSATIONS_AT_ONCE}
    assert all(take_turn(flow, each).messages for each in asked[::CONVERSATIONS_AT_ONCE])


def test_the_bare_relays_lead_through_all_topics_in_order():
    hop = {source: target for names in hops.relays() for source, target in zip(names[::2], names[1::2], strict=True)}
    place, way = hops.TOPICS[0], [hops.TOPICS[0]]
    while place in hop:
        place = hop[place]
        way.append(place)
    assert way == list(hops.TOPICS)


def test_half_and_nearly_all_are_not_longer_than_told():
    seconds = [number / 1000 for number in range(1, 101)]
    assert (milliseconds(seconds, 0.5), milliseconds(seconds, 0.99)) == (51.0, 100.0)


def test_addresses_are_read_from_the_table_that_a_person_sees():
    said = (
        "Convoboss runs\n\n  console      http://127.0.0.1:8081  log in\n  fb-handover  http://127.0.0.1:8086  sends\n"
    )
    assert addresses(said) == {"console": "http://127.0.0.1:8081", "fb-handover": "http://127.0.0.1:8086"}
