"""Turns from Faust: a plain stream processor without tables, one agent, nothing acknowledged before its answer is in the log,

but for turns that may have ended a process before (`flow_engine.care`).

What Faust is known for, and what is done about it: it acknowledges an event whose handler raised, so the agent only
hands on and acknowledges by itself; it may commit past an event in flight when acknowledgements of a partition come out
of order, so a partition has one lane; it waits without end for events in flight at a rebalance, so it is told not to,
and a turn that was taken twice has the same ids; a crash of its parts leaves a process that does nothing, so it ends.
A partition of which too much would be dead letters is paused, and what was fetched of it is dropped unacknowledged.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from flow_engine.care import Care, by_care
from flow_engine.lanes import Lanes
from flow_engine.ports import Asked, RawTurn, Read, Turns
from runtime import broker
from runtime.logs import get_logger
from runtime.metrics import STOPPED
from runtime.settings import ServiceSettings
from runtime.stops import Stopped
from runtime.tally import Limit, Tally

if TYPE_CHECKING:
    import faust

LANE: Final = 1000  # turns of a partition that wait; a longer queue holds up the others
REST: Final = 0.05  # seconds after a batch in which a partition's turns gather
STREAM_BUFFER: Final = 1000  # events, all partitions together
COMMIT_EVERY: Final = 1.0  # seconds
HEARTBEATS: Final = 3.0  # in a session time-out
STOP: Final = 8.0  # seconds for Faust to commit and leave the group

log = get_logger(__name__)
# Faust's streams and events have no types that survive `noack`
Event = Any
Stream = Any
_Place = tuple[int, int]
"""A generation of the group, and a partition."""


class SourceStopped(Exception):
    """Faust ended by itself. The turns it had come again to the next process."""

    def __init__(self, reason: BaseException | None) -> None:
        super().__init__(f"Faust stopped: {type(reason).__name__}: {reason}" if reason else "Faust stopped")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Arrived:
    stream: Stream
    event: Event


async def _hand_on(lanes: Lanes[_Arrived], stream: Stream) -> None:
    """The agent: acknowledges nothing and raises nothing."""
    by_hand = stream.noack()
    async for event in by_hand.events():
        await lanes.put(event.message.partition, _Arrived(by_hand, event))


class FaustTurns:
    """A `flow_engine.ports.TurnSource`."""

    def __init__(self, settings: ServiceSettings, *, group: str, topic: str) -> None:
        self._settings = settings
        self._group = group
        self._topic = topic
        self._owned: frozenset[int] | None = None
        self._taken: Counter[_Place] = Counter()  # turns
        self._tallies: dict[_Place, Tally] = {}
        self._limit = Limit(settings.dead_letters_in_a_row, settings.dead_letters_percent)
        self._stopped: dict[int, Stopped] = {}

    def owned(self) -> Collection[int] | None:
        """The partitions that this process has now; None while they are being assigned."""
        return self._owned

    def stopped(self) -> Mapping[int, Exception]:
        """Partitions that stand still until a person has looked, and why."""
        return self._stopped

    async def run(self, turns: Turns) -> None:
        """Raises `SourceStopped`, and what `turns` raises."""
        with TemporaryDirectory(prefix=f"{self._group}-", ignore_cleanup_errors=True) as folder:
            app = make_app(self._settings, self._group, Path(folder))
            topic = app.topic(
                self._topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
            )
            lanes: Lanes[_Arrived] = Lanes(
                partial(self._take, app, turns), size=LANE, batch=self._settings.kafka_batch_records, rest=REST
            )
            app.agent(topic, concurrency=1, name="turns")(partial(_hand_on, lanes))
            self._follow_assignments(app)
            try:
                await self._until_stopped(app, lanes)
            finally:
                await lanes.drain(self._settings.kafka_drain_timeout)
                began, self._owned = self._owned is not None, None
                await _stop(app, commit=began and not app.crashed)

    def _follow_assignments(self, app: "faust.App") -> None:
        def assigned(_app: Any, /, *tps: Any, **_: Any) -> None:
            self._owned = frozenset(tp.partition for tp in tps[0] if tp.topic == self._topic)
            self._taken.clear()
            self._tallies.clear()
            self._keep_stopped(self._owned)
            log.info("partitions assigned", partitions=sorted(self._owned))

        def revoked(_app: Any, /, *_tps: Any, **_: Any) -> None:
            self._owned = None

        # kept weakly by default, and gone with this call
        app.on_partitions_assigned.connect(assigned, weak=False)
        app.on_partitions_revoked.connect(revoked, weak=False)

    async def _take(self, app: "faust.App", turns: Turns, arrived: list[_Arrived]) -> None:
        # after a rebalance the broker gives again what was not acknowledged: the old copies are dropped
        current = [each for each in arrived if each.event.message.generation_id == app.consumer_generation_id]
        if not current:
            return
        first = current[0].event.message
        place = first.generation_id, first.partition
        if first.partition in self._stopped:
            _pause(app, first)  # a rebalance has it read again
            return
        for care, part in by_care(current, _value, self._taken[place]):
            read = [turns.read(_raw(each.event.message)) for each in part]
            tally, why = self._weighed(place, read)
            if why is not None:
                self._stop(part[0].event.message, why)
                _pause(app, first)
                return
            self._taken[place] += len(part)
            if care is Care.SUSPECT:
                await _acknowledge(part)
                await _commit(app)
                await turns.take(read)
            else:
                await turns.take(read)
                await _acknowledge(part)
                if care is Care.TOLD:
                    await _commit(app)
            self._tallies[place] = tally

    def _weighed(self, place: _Place, read: Sequence[Read]) -> tuple[Tally, str | None]:
        """The tally of what becomes of a partition's records after these; and why it has to stop before them."""
        tally = self._tallies.get(place) or Tally()
        turns, letters_after = 0, []
        for each in read:
            if isinstance(each, Asked):
                turns += 1
            else:
                letters_after.append(turns)
        if letters_after:
            return tally.with_letters(letters_after, turns, self._limit)
        tally.taken(turns)
        return tally, None

    def _stop(self, first: Event, why: str) -> None:
        stopped = Stopped("undecodable", f"{why} would be dead letters; it stands before offset {first.offset}")
        self._stopped[first.partition] = stopped
        STOPPED.labels(self._group, self._topic, first.partition, stopped.reason).set(1)
        log.critical(
            "partition stopped, a person is needed",
            group=self._group,
            topic=self._topic,
            partition=first.partition,
            error=str(stopped),
            advice=stopped.advice,
        )

    def _keep_stopped(self, owned: Collection[int]) -> None:
        """A partition that left this process is the next one's to judge."""
        for partition in [each for each in self._stopped if each not in owned]:
            STOPPED.remove(self._group, self._topic, partition, self._stopped.pop(partition).reason)

    async def _until_stopped(self, app: "faust.App", lanes: Lanes[_Arrived]) -> None:
        starting = asyncio.ensure_future(app.start())
        stopped = asyncio.ensure_future(app.wait_until_stopped())
        waits = {starting, stopped, lanes.failure()}
        try:
            while waits:
                done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
                if stopped in done:
                    raise SourceStopped(app.crash_reason)
        finally:
            for each in (starting, stopped):
                each.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)


def _value(arrived: _Arrived) -> bytes | None:
    value: bytes | None = arrived.event.message.value
    return value


def _pause(app: "faust.App", message: Event) -> None:
    """What is not to be taken is not fetched either."""
    app.consumer.pause_partitions([message.tp])


async def _acknowledge(part: Sequence[_Arrived]) -> None:
    for each in part:
        await each.stream.ack(each.event)


async def _commit(app: "faust.App") -> None:
    """Tells the broker what is acknowledged. One that finds another under way waits for it and commits nothing."""
    await app.consumer.commit()
    await app.consumer.commit()  # its own, or one that began after the first call, and so has it


class OneAfterTheOther:
    """Hands on what was fetched partition by partition, as it came: in turns, each batch of a lane would have one turn."""

    def iterate(self, records: Mapping[Any, Sequence[Any]]) -> Iterator[tuple[Any, Any]]:
        for tp, fetched in records.items():
            for record in fetched:
                yield tp, record


def make_app(settings: ServiceSettings, group: str, folder: Path) -> "faust.App":
    """Faust as a consumer loop and nothing else. It writes nothing to `folder`, but wants to have one."""
    import faust
    from yarl import URL

    from flow_engine.one_loop import Transport

    servers = [URL(f"kafka://{server}") for server in broker.servers(settings)]
    app = faust.App(
        group,
        broker=servers,
        broker_credentials=_credentials(settings),
        loop=asyncio.get_running_loop(),
        autodiscover=False,
        datadir=folder,
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.kafka_session_timeout,
        broker_heartbeat_interval=settings.kafka_session_timeout / HEARTBEATS,
        broker_commit_interval=COMMIT_EVERY,
        stream_buffer_maxsize=STREAM_BUFFER,
        ConsumerScheduler=OneAfterTheOther,
        stream_wait_empty=False,
    )
    app.transport = Transport(servers, app)
    return app


def _credentials(settings: ServiceSettings) -> "faust.types.auth.CredentialsT | None":
    import faust

    context = broker.tls(settings)
    if settings.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def _raw(message: Event) -> RawTurn:
    headers = message.headers or ()
    return RawTurn(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(headers.items()) if isinstance(headers, dict) else tuple(headers),
    )


async def _stop(app: "faust.App", *, commit: bool) -> None:
    """Commit what was acknowledged and leave the group; a broker that is away is not waited for."""
    try:
        async with asyncio.timeout(STOP):
            if commit:
                await _commit(app)
            await app.stop()
    except Exception as error:  # noqa: BLE001 - the process ends, whatever Faust thinks of it
        log.warning("Faust did not stop in order", error=f"{type(error).__name__}: {error}")
