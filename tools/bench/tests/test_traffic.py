"""The log that the switch is measured with is one that could have happened."""

from datetime import timedelta

from bench import traffic
from takeover.decide import decide, first_contact
from takeover.timers import timers

EVENTS = 2_000
CONVERSATIONS = 100


def folded(log):
    states, counts, refused = {}, {}, []
    bot, at = traffic.settings(), log.events[-1].occurred_at
    for event in log.events:
        state = states.get(event.conversation) or first_contact(event.conversation, bot.bot)
        states[event.conversation], effects = decide(state, event, at, bot)
        for topic, effect in effects:
            counts[topic] = counts.get(topic, 0) + 1
            if effect.type in {"command.refused.v1", "answer.suppressed.v1"}:
                refused.append(effect)
    return states, counts, refused, at


def test_takeover_accepts_every_turn_and_command_and_gives_the_records_that_are_waited_for():
    log = traffic.log(0, CONVERSATIONS, EVENTS)
    assert len(log.events) == len({event.id for event in log.events}) == EVENTS
    states, counts, refused, _ = folded(log)
    assert refused == []
    assert (len(states), counts) == (CONVERSATIONS, dict(log.effects))
    kinds = traffic.mix(log.events)
    assert {"customer.message.v1", "turn.completed.v1", "takeover.requested.v1", "operator.replies.v1"} <= set(kinds)


def test_no_timer_fires_while_it_is_measured():
    states, _, _, at = folded(traffic.log(0, CONVERSATIONS, EVENTS))
    due = [timer.due_at - at for state in states.values() for timer in timers(state).values()]
    assert due
    assert min(due) > timedelta(minutes=10)
