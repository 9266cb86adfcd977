"""What becomes of the records of a batch."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flow_engine import handlers
from flow_engine.flows import Flows
from flow_engine.handlers import Drill, TurnHandler
from flow_engine.ports import RawTurn
from runtime.errors import PublishFailed, RecordTooLarge, WrongPartitions
from runtime.packing import MAX_RECORD, pack
from runtime.records import Outgoing
from schemas import envelope
from schemas.bots import FlowPublished
from schemas.flows import Flow
from schemas.sessions import Session
from schemas.turns import TurnAsked

NO_DRILL = Drill()
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Written:
    """A log that keeps what is written, after as many failures as a test wants."""

    def __init__(self, *failures: Exception) -> None:
        self.events: list[Any] = []
        self.outgoing: list[Outgoing] = []
        self.failures = list(failures)

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        pack(outgoing)  # as the real one: refuses what no record can hold
        self.outgoing += outgoing
        self.events += [each.event for each in outgoing]


def flows(**texts: str) -> Flows:
    found = Flows(in_memory=10, clock=lambda: 0.0)
    for ref, text in (texts or {"salon@1": "Hi"}).items():
        document = Flow.model_validate(
            {
                "id": "salon",
                "name": "Salon",
                "blocks": {"start": {"kind": "start"}, "hi": {"kind": "message", "text": text}},
                "wires": [{"block": "start", "to": "hi"}],
            }
        )
        found.apply(ref, FlowPublished(id=f"f:{ref}", ref=ref, bot="salon", document=document))
    return found


def turn(
    number: int, *, text: str = "hello", flow: str = "salon@1", attempt: int = 1, session: Any = None
) -> TurnAsked:
    return TurnAsked.model_validate(
        {
            "id": f"t{number}:{attempt}",
            "conversation": f"messenger:1:{number}",
            "bot": "salon",
            "turn": f"t{number}",
            "epoch": 4,
            "attempt": attempt,
            "flow": flow,
            "session": session,
            "input": {"reason": "message", "message": {"text": text}},
        }
    )


def record(event: TurnAsked, offset: int = 0) -> RawTurn:
    key, value, headers = envelope.encode(event, source="takeover", traceparent=TRACE)
    return RawTurn("turns", 3, offset, key, value, headers)


class Sleeps:
    def __init__(self) -> None:
        self.slept: list[float] = []
        self.hook: Callable[[], None] = lambda: None

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.hook()


def handler(
    log: Written, *, known: Flows | None = None, drill: Drill = NO_DRILL, sleep: Sleeps | None = None
) -> TurnHandler:
    return TurnHandler(flows=known or flows(), log=log, flow_wait=0.01, drill=drill, sleep=sleep or Sleeps())


async def take(by: TurnHandler, records: Sequence[RawTurn]) -> None:
    await by.take([by.read(each) for each in records])


async def test_each_turn_of_a_batch_is_answered_in_order_and_carries_its_trace():
    log = Written()
    await take(handler(log), [record(turn(number), number) for number in range(120)])
    assert [event.id for event in log.events] == [f"t{number}:done" for number in range(120)]
    assert {event.epoch for event in log.events} == {4}
    assert {each.traceparent for each in log.outgoing} == {TRACE}
    assert {each.topic for each in log.outgoing} == {"conversations"}


async def test_a_turn_asked_again_is_told_as_begun_before_it_is_taken():
    log = Written()
    known = flows()
    seen: list[list[str]] = []
    get = known.get
    known.get = lambda ref: (seen.append([event.id for event in log.events]), get(ref))[1]
    await take(handler(log, known=known), [record(turn(1)), record(turn(2, attempt=3), 1)])
    assert seen[0] == ["t2:started:3"]
    assert [event.id for event in log.events] == ["t2:started:3", "t1:done", "t2:done"]
    assert log.events[0].attempt == 3


async def test_a_turn_whose_flow_is_not_known_is_left_unfinished_and_the_others_are_answered():
    log = Written()
    await take(
        handler(log), [record(turn(1, flow="other@1")), record(turn(2)), record(turn(3, flow="other@1", attempt=2))]
    )
    assert [event.id for event in log.events] == ["t3:started:2", "t2:done"]


async def test_a_turn_without_a_published_flow_fails_and_says_why():
    log = Written()
    await take(handler(log), [record(turn(1, flow=""))])
    assert log.events[0].type == "turn.failed.v1"
    assert "no flow is published" in log.events[0].reason


async def test_a_session_is_taken_on_its_own_version():
    log = Written()
    session = Session(flow="salon@2", at="hi", waits_for="input")
    await take(handler(log, known=flows(**{"salon@1": "one", "salon@2": "two"})), [record(turn(1, session=session))])
    assert log.events[0].session.flow == "salon@2"


async def test_a_fault_of_the_interpreter_fails_its_turn_alone_without_the_customers_words(monkeypatch):
    def broken(flow: Flow, asked: TurnAsked) -> None:
        if asked.turn == "t2":
            raise ZeroDivisionError("secret words")
        return real(flow, asked)

    real = handlers.take_turn
    monkeypatch.setattr(handlers, "take_turn", broken)
    log = Written()
    await take(handler(log), [record(turn(number), number) for number in (1, 2, 3)])
    assert [event.id for event in log.events] == ["t1:done", "t2:failed", "t3:done"]
    assert log.events[1].reason == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xff\x00", [("ce_type", b"turn.asked.v1")]),
        (b"{}", [("ce_type", b"turn.asked.v1")]),
        (b"{}", [("ce_type", b"turn.asked.v99")]),
        (b"{}", []),
        (None, [("ce_type", b"turn.asked.v1")]),
        (b"{}", [("ce_type", b"\xff")]),
    ],
)
async def test_bytes_that_are_no_turn_become_a_dead_letter_and_the_next_turn_is_answered(value, headers):
    log = Written()
    await take(handler(log), [RawTurn("turns", 3, 7, b"k\xff", value, headers), record(turn(1), 8)])
    letter, answer = log.events
    assert (letter.type, letter.reason, letter.origin_offset) == ("dead.letter.v1", "undecodable", 7)
    assert answer.id == "t1:done"


async def test_answers_are_published_until_the_log_has_them():
    log = Written(*[PublishFailed("away", frozenset())] * 4)
    sleep = Sleeps()
    await take(handler(log, sleep=sleep), [record(turn(1))])
    assert [event.id for event in log.events] == ["t1:done"]
    assert len(sleep.slept) == 4


async def test_what_waiting_cannot_mend_comes_out():
    log = Written(WrongPartitions("conversations", 3, 8))
    with pytest.raises(WrongPartitions):
        await take(handler(log), [record(turn(1))])


async def test_an_answer_that_no_record_can_hold_fails_its_turn_and_not_its_batch():
    huge = Session(flow="salon@1", at="hi", waits_for="input", attributes={"a": "x" * MAX_RECORD})
    log = Written()
    await take(handler(log), [record(turn(1)), record(turn(2, session=huge))])
    assert [event.id for event in log.events] == ["t1:done", "t2:failed"]
    with pytest.raises(RecordTooLarge):  # the premise: as it was it would not have fitted
        pack([Outgoing("conversations", turn(2, session=huge))])


async def test_a_drill_makes_one_turn_slow_and_who_is_done_already_does_not_wait_for_it():
    log = Written()
    sleep = Sleeps()
    there: list[str] = []
    sleep.hook = lambda: there.extend(event.id for event in log.events)
    drill = Drill("Slow, please", 2.5)
    batch = [record(turn(1)), record(turn(2, text="SLOW, please!")), record(turn(3))]
    await take(handler(log, drill=drill, sleep=sleep), batch)
    assert sleep.slept == [2.5]
    assert there == ["t1:done"]
    assert [event.id for event in log.events] == ["t1:done", "t2:done", "t3:done"]


async def test_without_a_drill_nothing_is_slow():
    sleep = Sleeps()
    await take(handler(Written(), sleep=sleep), [record(turn(1, text=""))])
    assert sleep.slept == []


async def test_the_same_record_gives_the_same_bytes_again():
    log = Written()
    taking = handler(log)
    await take(taking, [record(turn(1))])
    await take(taking, [record(turn(1))])
    first, second = pack(log.outgoing)
    assert first == second
    assert json.loads(first.value)["id"] == "t1:done"


async def test_a_long_batch_lets_other_work_have_its_chance():
    turned = 0

    async def other() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    background = asyncio.create_task(other())
    await take(handler(Written()), [record(turn(number), number) for number in range(500)])
    background.cancel()
    assert turned >= 9
