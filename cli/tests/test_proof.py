"""The proof itself, on evidence made by the rules: each planted difference is found, and named by its event."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from convoboss.evidence import Evidence, Kind, Piece, Place, Reach, Row, TimerRow, evidence
from convoboss.moments import lines
from convoboss.proof import folded, prove
from convoboss.spill import Spill
from schemas.base import BaseEvent, ConversationEvent
from schemas.conversations import CustomerMessage, ErasureAsked
from schemas.messages import CustomerInput
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES, TURNS
from takeover.decide import decide, first_contact
from takeover.folding import Fold, InForce, Logged, Settings
from takeover.timers import timers

sys.path.insert(0, str(Path(__file__).parents[2] / "services" / "takeover" / "tests"))

from takeover_world import MIA, START, World, bot_settings

BOT = bot_settings()
Plant = Callable[[Evidence], None]


class Recorded(World):
    """A world that keeps its log."""

    def __init__(self) -> None:
        super().__init__(known=False)
        self.logged: list[Logged] = []

    def fold(self, event: ConversationEvent) -> object:
        self.logged.append(Logged(10 * len(self.logged), self.now, event))
        return super().fold(event)


def story() -> Recorded:
    world = Recorded()
    world.says("hi")
    world.named()
    world.answers("Hello!")
    world.says("a person")
    world.asks_person()
    world.replies("Ana here")
    world.says("thanks")
    return world


def seen(world: Recorded) -> Evidence:
    """What the tables and topics hold after it."""
    state = world.state
    assert state.last_at is not None
    published: dict[str, dict[str, BaseEvent]] = {OUTCOMES: {}, MESSENGER_COMMANDS: {}, TURNS: {}}
    for topic, event in world.effects:
        published[topic][event.id] = type(event).model_validate_json(event.model_dump_json())
    return Evidence(
        MIA,
        row=Row("salon", state.owner, state.epoch, state.seq, state.to_json(), state.last_at),
        timers={kind: TimerRow(timer.due_at, timer.event.id) for kind, timer in timers(state).items()},
        log=list(world.logged),
        published=published,
    )


def place(next_offset: int = 10_000, *, pending: frozenset[str] = frozenset(), **reaches: Reach) -> Place:
    settings = Settings([InForce(0, BOT)])
    return Place(3, next_offset, settings, pending, {name.replace("_", "."): reach for name, reach in reaches.items()})


def test_what_the_rules_made_is_equal() -> None:
    proof = prove(seen(story()), place())
    assert (proof.verdict, proof.difference) == ("equal", None)
    assert sum(proof.compared.values()) == len(story().effects)


def _drop(found: Evidence) -> None:
    commands = found.published[MESSENGER_COMMANDS]
    del commands[next(name for name, event in commands.items() if getattr(event, "speaker", "") == "operator")]


def _alter(found: Evidence) -> None:
    outcomes = found.published[OUTCOMES]
    name = next(reversed(outcomes))
    outcomes[name] = outcomes[name].model_copy(update={"addressed": "bot"})


def _swap(found: Evidence) -> None:
    names = list(found.published[OUTCOMES].items())
    names[0], names[1] = names[1], names[0]
    found.published[OUTCOMES] = dict(names)


def _column(found: Evidence) -> None:
    assert found.row is not None
    found.row = found.row._replace(owner="bot")


def _timer(found: Evidence) -> None:
    found.timers["expiry"] = found.timers["expiry"]._replace(due_at=START)


def _no_timer(found: Evidence) -> None:
    found.timers.clear()


def _no_row(found: Evidence) -> None:
    found.row = None


PLANTED = {
    "a command that was never published": (_drop, MESSENGER_COMMANDS, 5, "never published"),
    "an outcome with another content": (_alter, OUTCOMES, 6, "another content"),
    "two outcomes the wrong way round": (_swap, OUTCOMES, 0, "before"),
    "a column that is not the state's": (_column, "row", 4, "column owner"),
    "a timer of another time": (_timer, "timer", 6, "another one"),
    "a timer that is not there": (_no_timer, "timer", 6, "not in the table"),
    "a row that is not there": (_no_row, "row", 0, "no row"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_difference_is_found_and_named_by_its_event(name: str) -> None:
    plant, where, number, words = PLANTED[name]
    world = story()
    found = seen(world)
    plant(found)
    proof = prove(found, place())
    assert proof.verdict == "different"
    difference = proof.difference
    assert difference is not None
    assert difference.where == where
    assert difference.event == world.logged[number]
    assert words in difference.sentence + " ".join(each.field for each in difference.fields)


def _rewritten(found: Evidence, change: Callable[[dict[str, Any]], object]) -> None:
    assert found.row is not None
    document = json.loads(found.row.state)
    change(document)
    found.row = found.row._replace(state=json.dumps(document))


def test_a_row_of_an_earlier_version_says_nothing_of_fields_that_came_later() -> None:
    found = seen(story())
    _rewritten(found, lambda document: (document.pop("ended_at"), document["episode"].pop("held_since")))
    proof = prove(found, place())
    assert (proof.verdict, proof.later) == ("equal", ("episode.held_since", "ended_at"))
    _rewritten(found, lambda document: document.update(greeting="Hello"))
    proof = prove(found, place())
    assert proof.difference is not None
    assert [each.field for each in proof.difference.fields] == ["greeting"]


def test_what_is_missing_deeper_in_a_row_is_a_difference() -> None:
    found = seen(story())
    _rewritten(found, lambda document: document["recent"].pop())
    assert prove(found, place()).verdict == "different"


def test_what_waits_in_the_outbox_and_what_retention_took_is_no_difference() -> None:
    found = seen(story())
    missing = next(iter(found.published[TURNS]))
    del found.published[TURNS][missing]
    assert prove(found, place()).verdict == "different"
    assert prove(found, place(pending=frozenset({missing}))).pending == 1
    later = Reach(begin=5, end=9, first_at=START + timedelta(hours=1))
    assert (prove(found, place(turns=later)).verdict, prove(found, place(turns=later)).gone) == ("equal", 1)
    earlier = replace(later, first_at=START - timedelta(hours=1))
    assert prove(found, place(turns=earlier)).verdict == "different"


def test_what_was_decided_after_the_row_was_read_is_no_difference_but_only_then() -> None:
    world = story()
    before = len(world.logged)
    found = seen(world)
    world.says("and more")
    later = seen(world)
    found.log, found.published = later.log, later.published
    assert prove(found, place(next_offset=10 * before)).verdict == "equal"
    found.log = found.log[:before]
    proof = prove(found, place(next_offset=10 * before))
    assert proof.verdict == "different"
    assert proof.difference is not None
    assert "nothing in the log leads to it" in proof.difference.sentence


def test_without_the_logs_beginning_a_difference_proves_nothing_unless_the_conversation_began_later() -> None:
    reach = Reach(begin=1, end=100, first_at=START)
    whole = seen(story())
    assert prove(whole, place(conversations=reach)).verdict == "equal"
    assert not prove(whole, place(conversations=reach)).beginning_gone
    _column(whole)
    assert prove(whole, place(conversations=reach)).verdict == "different"
    cut = seen(story())
    del cut.log[:2]
    proof = prove(cut, place(conversations=reach))
    assert (proof.verdict, proof.beginning_gone) == ("unproven", True)
    assert prove(cut, place()).verdict == "different"


def test_an_erasure_is_proven_like_everything_else_and_its_texts_are_not_told() -> None:
    world = story()
    world.fold(ErasureAsked(id="erase", conversation=MIA, by="ops"))
    world.says("back again")
    found = seen(world)
    assert prove(found, place()).verdict == "equal"
    told = "\n".join(line.what for line in lines(list(folded(found, place()))))
    assert not any(word in told for word in ("Hello!", 'a person"', "Ana here", "thanks", "Mia"))
    assert "A PERSON HAS IT, because flow" in told
    assert "back again" in told


def test_settings_count_from_the_place_where_they_came_into_force() -> None:
    newer = bot_settings(version=2, name="Salon Two")
    settings = Settings([InForce(50, newer), InForce(0, BOT)])
    assert [each and each.version for each in (settings.at("salon", 49), settings.at("salon", 50))] == [1, 2]
    assert settings.at("salon", -1) is None
    assert settings.at("other", 99) is None
    assert settings.bot_of(MIA) == "salon"


def test_a_second_copy_is_dropped_for_a_week_at_least_and_counts_again_after_two() -> None:
    fold = Fold(MIA, "salon", Settings([InForce(0, BOT)]), {})
    event = CustomerMessage(id="m", conversation=MIA, input=CustomerInput(text="hi"))
    start = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday, when weeks since 1970 begin
    days = (0, 13, 14, 15, 28)
    told = [fold.take(Logged(number, start + timedelta(days=day), event)).how for number, day in enumerate(days)]
    assert told == ["decided", "copy", "decided", "copy", "decided"]


def test_a_dead_letter_of_a_page_without_a_bot_decided_nothing() -> None:
    event = CustomerMessage(id="m", conversation=MIA, input=CustomerInput(text="hi"))
    fold = Fold(MIA, "salon", Settings([InForce(0, BOT)]), {7: "UnknownBot: no bot has this page"})
    assert fold.take(Logged(7, START, event)).how == "aside"
    assert fold.state is None
    assert (
        fold.take(Logged(8, START, event.model_copy(update={"id": "m2"}))).after
        == decide(first_contact(MIA, "salon"), event.model_copy(update={"id": "m2"}), START, BOT).state
    )


def test_evidence_comes_back_from_disk_conversation_by_conversation_in_its_order() -> None:
    row = orjson.dumps(
        {"bot": "b", "owner": "bot", "epoch": 0, "seq": 1, "state": "{}", "updated_at": "2026-01-01T00:00:00Z"}
    )
    event = CustomerMessage(id="m", conversation=MIA, input=CustomerInput(text="hi"))
    value = event.model_dump_json().encode()
    with Spill() as spill:
        spill.add(
            [Piece("b:1:2", Kind.LOG, 7, 1000, event.type, value), Piece("a:1:2", Kind.LOG, 3, 1000, "x", b"\xff")]
        )
        spill.add([Piece("b:1:2", Kind.LOG, 9, 2000, event.type, value), Piece("b:1:2", Kind.ROW, 0, 0, "", row)])
        assert spill.count() == 2
        names = []
        for name, pieces in spill.conversations():
            names.append(name)
            if name == "b:1:2":
                found = evidence(name, pieces)
    assert names == ["a:1:2", "b:1:2"]
    assert [logged.offset for logged in found.log] == [7, 9]
    assert found.row is not None
    assert found.row.seq == 1
    assert Kind.LOG.topic == CONVERSATIONS
