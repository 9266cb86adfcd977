"""The conversations of the growing table go on where their rows stand."""

from bench import traffic
from bench.growth import going
from takeover.decide import decide, first_contact


def test_states_and_log_of_conversations_under_way_are_two_parts_of_one_history():
    found = going(5, 20, before=8, events=6)
    assert len(found.states) == 20
    assert len(found.log.events) == 20 * 6
    bot = traffic.settings()
    states = dict(found.states)
    refused, effects = [], 0
    for event in found.log.events:
        assert event.conversation in states
        states[event.conversation], told = decide(states[event.conversation], event, event.occurred_at, bot)
        effects += len(told)
        refused += [each for each in told if each.event.type in {"command.refused.v1", "answer.suppressed.v1"}]
    assert refused == []
    assert effects == sum(found.log.effects.values()) > 0
    assert all(state != first_contact(key, bot.bot) for key, state in found.states.items())
