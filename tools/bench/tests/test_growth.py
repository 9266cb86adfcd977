"""The conversations of the growing table go on where their rows stand."""

from bench import traffic
from bench.growth import going
from takeover.decide import decide, first_contact


def test_states_and_logs_of_conversations_under_way_are_parts_of_one_history():
    found = going(5, 20, before=6, events=8)
    bot = traffic.settings()
    assert len(found.states) == 20
    assert all(state != first_contact(key, bot.bot) for key, state in found.states.items())
    rounds = found.rounds(2)
    assert [event for log in rounds for event in log.events] == list(found.events)
    states = dict(found.states)
    for log in rounds:
        effects = []
        for event in log.events:
            states[event.conversation], told = decide(states[event.conversation], event, event.occurred_at, bot)
            effects += told
        assert not [each for each in effects if each.event.type in {"command.refused.v1", "answer.suppressed.v1"}]
        assert len(effects) == sum(log.effects.values()) > 0


def test_one_event_each_is_one_that_takeover_has_something_to_do_about():
    (log,) = going(0, 100, before=6, events=1).rounds(1)
    assert len(log.events) == 100
    assert sum(log.effects.values()) > 100
