"""Turns in, events of the log out. Each turn ends in exactly one event, or is left to be asked again."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flow_engine import metrics
from flow_engine.flows import Flows
from flow_engine.interpreter import flow_of, take_turn
from flow_engine.ports import Asked, Log, RawTurn, Read
from flow_engine.words import plain
from runtime import backoff, tracing
from runtime.errors import PublishFailed, RecordTooLarge
from runtime.letters import letter, text
from runtime.logs import get_logger
from runtime.packing import pack
from runtime.records import Outgoing
from schemas import envelope
from schemas.conversations import TakeoverRequested, TurnCompleted, TurnFailed, TurnStarted
from schemas.deadletters import DeadLetter
from schemas.flows import Flow
from schemas.topics import CONVERSATIONS
from schemas.turns import TurnAsked

RETRY_FIRST: Final = 0.2  # seconds
RETRY_CAP: Final = 5.0  # seconds
PAUSE_AFTER: Final = 50  # turns in a row, before other work of the process gets its chance
ATTEMPTS_SAID: Final = 2  # from this asking on the engine says that it begins
_REF: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}@[1-9]\d*")

Sleep = Callable[[float], Awaitable[None]]
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drill:
    """A message that equals `keyword` makes its turn take `seconds` longer; an empty keyword is none."""

    keyword: str = ""
    seconds: float = 0.0

    def slows(self, turn: TurnAsked) -> bool:
        said = turn.input.message
        return bool(self.keyword) and said is not None and plain(said.text) == plain(self.keyword)


class TurnHandler:
    """Answers turns. Nothing of one stays behind for the next."""

    def __init__(
        self,
        *,
        flows: Flows,
        log: Log,
        flow_wait: float,
        drill: Drill,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._flows = flows
        self._log = log
        self._flow_wait = flow_wait
        self._drill = drill
        self._sleep = sleep
        self._rng = rng or random.Random()

    async def take(self, read: Sequence[Read]) -> None:
        """Answer it, in order. Returns when the broker has the answers; cancelled, some may be there and some not."""
        await self._publish(
            [_started(asked) for asked in read if isinstance(asked, Asked) and _is_repeated(asked.turn)]
        )
        answers: list[Outgoing] = []
        for number, asked in enumerate(read, start=1):
            if isinstance(asked, Asked) and self._takes_time(asked.turn):
                await self._publish(answers)  # who is done already does not wait for it
                answers = []
            answer = await self._answer(asked) if isinstance(asked, Asked) else _no_turn(asked)
            if answer is not None:
                answers.append(answer)
            if number % PAUSE_AFTER == 0:
                await asyncio.sleep(0)
        await self._publish(answers)

    def read(self, record: RawTurn) -> Read:
        """The turn in a record, or the dead letter of a record that holds none."""
        traceparent = envelope.traceparent(record.headers)
        try:
            event = envelope.decode(record.topic, record.value, record.headers)
        except envelope.BadRecord as error:
            event, reason = None, str(error)
        else:
            reason = f"{record.topic}: not a turn"
        if isinstance(event, TurnAsked):
            return Asked(event, traceparent)
        return letter(record, text(record.key), "undecodable", reason, traceparent)

    def _takes_time(self, turn: TurnAsked) -> bool:
        return self._drill.slows(turn) or self._flows.get(flow_of(turn)) is None

    async def _answer(self, asked: Asked) -> Outgoing | None:
        """The event that ends the turn; None leaves it unfinished, to be asked again."""
        turn = asked.turn
        with tracing.span("turn", asked.traceparent) as traceparent:
            if self._drill.slows(turn):
                await self._sleep(self._drill.seconds)
            ref = flow_of(turn)
            if not _REF.fullmatch(ref):
                return Outgoing(CONVERSATIONS, _failed(turn, f"no flow is published: {ref!r}"), traceparent)
            flow = await self._flows.wait(ref, self._flow_wait)
            if flow is None:
                metrics.TURNS.labels("unfinished").inc()
                log.error("a flow version is not known", flow=ref, conversation=turn.conversation, turn=turn.turn)
                return None
            return Outgoing(CONVERSATIONS, _end(flow, turn), traceparent)

    async def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Until the broker has all of them, however long it is away: a turn must not be acknowledged without its answer."""
        if not outgoing:
            return
        for wait in backoff.delays(RETRY_FIRST, RETRY_CAP, self._rng):
            try:
                await self._log.publish(outgoing)
            except RecordTooLarge:
                outgoing = [_fitting(each) for each in outgoing]
            except PublishFailed as error:
                metrics.PUBLISH_RETRIES.inc()
                log.warning("answers are not in the log yet", events=len(outgoing), error=str(error))
                await self._sleep(wait)
            else:
                return


def _no_turn(found: Outgoing) -> Outgoing:
    """Says of a dead letter that it goes to the log."""
    metrics.TURNS.labels("undecodable").inc()
    if isinstance(told := found.event, DeadLetter):
        log.error("a record is no turn", partition=told.origin_partition, offset=told.origin_offset, reason=told.error)
    return found


def _is_repeated(turn: TurnAsked) -> bool:
    return turn.attempt >= ATTEMPTS_SAID


def _started(asked: Asked) -> Outgoing:
    turn = asked.turn
    metrics.TURNS_REPEATED.inc()
    event = TurnStarted(
        id=f"{turn.turn}:started:{turn.attempt}",
        conversation=turn.conversation,
        turn=turn.turn,
        epoch=turn.epoch,
        attempt=turn.attempt,
    )
    return Outgoing(CONVERSATIONS, event, asked.traceparent)


def _end(flow: Flow, turn: TurnAsked) -> TurnCompleted | TakeoverRequested | TurnFailed:
    began = time.perf_counter()
    try:
        end = take_turn(flow, turn)
    except Exception as error:
        # a fault of ours: the conversation gets a person, and the traceback is in the log
        log.exception("a turn failed", conversation=turn.conversation, turn=turn.turn, flow=flow_of(turn))
        return _failed(turn, type(error).__name__)
    metrics.TURN_SECONDS.observe(time.perf_counter() - began)
    metrics.TURNS.labels("takeover" if isinstance(end, TakeoverRequested) else "completed").inc()
    for notice in end.notices:
        metrics.NOTICES.labels(notice.code).inc()
    return end


def _failed(turn: TurnAsked, reason: str) -> TurnFailed:
    metrics.TURNS.labels("failed").inc()
    return TurnFailed(
        id=f"{turn.turn}:failed", conversation=turn.conversation, turn=turn.turn, epoch=turn.epoch, reason=reason
    )


def _fitting(outgoing: Outgoing) -> Outgoing:
    """The event, or, if no record could hold it, that its turn failed."""
    event = outgoing.event
    try:
        pack([outgoing])
    except RecordTooLarge as error:
        if not isinstance(event, TurnCompleted | TakeoverRequested):
            raise
        log.error("an answer is too large", conversation=event.conversation, turn=event.turn, bytes=error.size)  # noqa: TRY400
        metrics.TURNS.labels("failed").inc()
        failed = TurnFailed(
            id=f"{event.turn}:failed",
            conversation=event.conversation,
            turn=event.turn,
            epoch=event.epoch,
            reason=f"the answer has {error.size} bytes, more than {error.limit}",
        )
        return Outgoing(outgoing.topic, failed, outgoing.traceparent)
    return outgoing
