"""The sender: works off the conversations of the partitions that this process owns, many at once, each strictly in order."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fb_handover import graph_body, looking, metrics, order
from fb_handover.channels import Channels, Connected
from fb_handover.graph_body import Origin
from fb_handover.hearing import Hearing
from fb_handover.lateness import Tags, is_tagged
from fb_handover.order import Act, Context, Listen, Look, Looked, Rules, Transition
from fb_handover.outgoing import QueuedCommand, Row, State, Step, first_step
from fb_handover.pages import Kind, Pages
from fb_handover.personas import Personas, is_suspect
from fb_handover.repository import Claimant, Lane, LaneLost, Outbound, PageShut, Taken
from graphapi.answers import Accepted, Permanent, Verdict, control, owner
from graphapi.client import Graph
from graphapi.request import GraphRequest
from runtime import tracing
from runtime.backoff import Rng, delays
from runtime.errors import passes
from runtime.health import Component
from runtime.logs import bind, get_logger
from runtime.postgres import Pool
from schemas.base import ConversationId
from schemas.commands import ExtendThread, PassThread, SendMessage
from schemas.messages import Speaker

IDLE: Final = 1.0  # seconds between looks at the table when nothing calls
LEAST: Final = 0.01  # seconds between looks while what is due is locked by somebody
DONE: Final = 10_000  # commands remembered, at some hundred bytes; an echo comes within a second of its answer
LOOK: Final = "look"  # in metrics: requests that are no row's step
PERSONA: Final = "persona"
KNOWN_BEFORE: Final = 60.0  # seconds before a lost request in which other messages of ours are looked for
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 3.0  # seconds

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """`at_once`: conversations worked on at the same time. In seconds: a request, a question, and what both sides of a

    request may take within a claim: from its ledger row to its first byte, and from its answer to the commit.
    """

    at_once: int
    request: float
    read: float
    margin: float = 3.0

    @property
    def lease(self) -> float:
        """Seconds that a claim on a conversation lasts."""
        return self.request + 2 * self.margin


class Sender:
    """`published` is called after each commit that stored reports."""

    def __init__(
        self,
        outbound: Outbound,
        graph: Graph,
        channels: Channels,
        hearing: Hearing,
        pages: Pages,
        pool: Pool,
        *,
        rules: Rules,
        limits: Limits,
        component: Component,
        published: Callable[[], None],
        now: Callable[[], datetime],
        rng: Rng,
    ) -> None:
        self._outbound = outbound
        self._graph = graph
        self._channels = channels
        self._hearing = hearing
        self._pages = pages
        self._personas = Personas(pool, self._ask_briefly)
        self._rules = rules
        self._limits = limits
        self._component = component
        self._published = published
        self._now = now
        self._rng = rng
        self._owned: set[int] = set()
        self._turn = 0
        self._work: set[asyncio.Task[None]] = set()
        self._called = asyncio.Event()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._stopping = False
        component.expects_progress(lambda: bool(self._work))

    # What the handlers tell

    def own(self, partition: int) -> None:
        self._owned.add(partition)
        self.wake()

    def disown(self, partition: int) -> None:
        """What is being sent for it is finished; the table keeps the next owner from sending it too."""
        self._owned.discard(partition)

    def wake(self) -> None:
        self._called.set()

    def claimant(self) -> Claimant:
        """Our share for one partition: as many conversations as it has time for, divided among the partitions."""
        free = 0 if self._stopping else max(0, self._limits.at_once - len(self._work))
        return self._outbound.claimant(free // max(1, len(self._owned)), self._begins)

    def take(self, taken: Iterable[Taken]) -> None:
        """They were claimed for us as they were stored, and are committed."""
        for each in taken:
            self._start(each.lane, each)

    def _begins(self, command: QueuedCommand) -> bool:
        """A bot's message goes out at once. A person's gets its ledger entry just before its request: were this process to

        die in between, the person would be asked whether a message arrived that never left.
        """
        if not isinstance(command, SendMessage) or command.speaker is not Speaker.BOT:
            return False
        row = Row(0, command, State.WAITING, first_step(command))
        return row.step is Step.SEND and isinstance(self._decide(row), Act) and self._pages.take(_page(row), _kind(row))

    def _decide(self, row: Row) -> Act | Listen | Transition:
        connected, shut = self._connected(row.command), self._pages.shut(_page(row))
        tags = "on" if connected is None else self._tags(connected)
        return order.decide(row, self.context(), connected=connected is not None, shut=shut, tags=tags)

    def _tags(self, connected: Connected) -> Tags:
        if not connected.channel.human_agent:
            return "off"
        return "stopped" if self._pages.tags_stopped(connected.channel.page_id) else "on"

    def _connected(self, command: QueuedCommand) -> Connected | None:
        return self._channels.connected(ConversationId.parse(command.conversation).account)

    def done(self, command: str) -> bool:
        """Whether this process has brought the command to its end not long ago. False says nothing."""
        return command in self._done

    @property
    def owned(self) -> Sequence[int]:
        return sorted(self._owned)

    def context(self) -> Context:
        return Context(self._rules, self._rng, self._now())

    # The loop

    async def run(self) -> None:
        """Until cancelled; what is being sent goes on until `drain`."""
        waits = delays(RETRY_FIRST, RETRY_CAP, self._rng)
        while True:
            try:
                pause = await self._take_up()
            except Exception as error:
                self._component.failing(f"{type(error).__name__}: {error}")
                if passes(error):
                    log.warning("cannot look for commands, trying again", error=f"{type(error).__name__}: {error}")
                else:
                    log.exception("cannot look for commands, trying again")
                await asyncio.sleep(next(waits))
            else:
                self._component.ok(f"{len(self._owned)} partitions")
                waits = delays(RETRY_FIRST, RETRY_CAP, self._rng)
                await self._rest(pause)

    async def drain(self, seconds: float) -> None:
        """Takes up nothing more and waits for the requests under way. What is late is left with its outcome unknown."""
        self._stopping = True
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _take_up(self) -> float:
        """Starts work on what is due; returns the seconds until the next look."""
        free = self._limits.at_once - len(self._work)
        if free <= 0 or not self._owned or self._stopping:
            return IDLE
        partitions = self._partitions()
        due = await self._outbound.next_due(partitions)
        if due is None or due > 0.0:
            return IDLE if due is None else min(max(due, LEAST), IDLE)
        lanes = await self._outbound.claim(partitions, free)
        for lane in lanes:
            self._start(lane)
        return 0.0 if lanes else LEAST

    def _partitions(self) -> list[int]:
        """Another one first each time: where there is more than can be taken up, none is left behind."""
        owned = sorted(self._owned)
        self._turn = (self._turn + 1) % len(owned)
        return owned[self._turn :] + owned[: self._turn]

    async def _rest(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._called.wait()
        except TimeoutError:
            return
        self._called.clear()

    def _start(self, lane: Lane, taken: Taken | None = None) -> None:
        task = asyncio.create_task(self._work_off(lane, taken))
        self._work.add(task)
        task.add_done_callback(self._ended)
        metrics.IN_FLIGHT.set(len(self._work))

    def _ended(self, task: asyncio.Task[None]) -> None:
        full = len(self._work) >= self._limits.at_once
        self._work.discard(task)
        metrics.IN_FLIGHT.set(len(self._work))
        self._component.progress()
        if full:
            self._called.set()

    # One conversation

    async def _work_off(self, lane: Lane, taken: Taken | None) -> None:
        """Command after command, until the conversation rests or has none left."""
        with bind(conversation=lane.conversation):
            try:
                row = await self._first(lane, taken)
                while row is not None:
                    if self._stopping:
                        await self._outbound.release(lane)
                        return
                    row = await self._advance(lane, row)
            except LaneLost:
                log.warning("another process has this conversation now")
            except Exception as error:  # the claim runs out, and the conversation is taken up again
                if passes(error):
                    log.warning("conversation put off", error=f"{type(error).__name__}: {error}")
                else:
                    log.exception("conversation failed, trying again")

    async def _first(self, lane: Lane, taken: Taken | None) -> Row | None:
        if taken is None or taken.row is None:
            return await self._outbound.head(lane)
        if taken.row.state is not State.SENDING:
            return taken.row
        with self._span(taken.row):
            connected = self._connected(taken.row.command)
            if connected is None or self._stopping:
                return await self._settle(lane, taken.row, order.not_begun(taken.row))
            return await self._make(lane, taken.row, connected, taken.since)

    @contextmanager
    def _span(self, row: Row) -> Iterator[None]:
        with tracing.span(f"messenger {row.step}", row.traceparent), bind(command=row.command.id):
            yield

    async def _advance(self, lane: Lane, row: Row) -> Row | None:
        with self._span(row):
            connected = self._connected(row.command)
            decision = self._decide(row)
            if isinstance(decision, Listen):
                decision = await self._find_out(lane, row, connected)
            if isinstance(decision, Transition):
                return await self._settle(lane, row, decision)
            if connected is None:  # pragma: no cover - decide does not act then
                raise AssertionError(row.command.conversation)
            rest = await self._pages.turn(_page(row), _kind(row))
            if rest > 0.0:
                await self._outbound.release(lane, rest)
                return None
            if row.step is Step.TYPING:
                return await self._type(lane, row, connected)
            return await self._request(lane, row, connected)

    async def _find_out(self, lane: Lane, row: Row, connected: Connected | None) -> Transition:
        """What became of a request whose answer was lost: by its echo, else by Facebook's list of the conversation."""
        question = f"{row.command.id}/{row.part}/{row.unknowns}"
        heard_all = await self._hearing.heard_all(lane.partition, question)
        decision = order.after_listening(row, self.context(), heard_all=heard_all)
        if isinstance(decision, Look):
            decision = order.after_looking(row, await self._look(row, connected), self.context())
        return decision

    async def _look(self, row: Row, connected: Connected | None) -> Looked:
        page, command = _page(row), row.command
        if not isinstance(command, SendMessage):
            return Looked()
        if connected is None or self._pages.shut(page) or await self._pages.turn(page, Kind.LOOK) > 0.0:
            return Looked(again=True)
        request = looking.request(ConversationId.parse(command.conversation))
        verdict = await self._ask(LOOK, request, connected)
        since = self._now() - timedelta(seconds=row.sending_for)
        known = await self._outbound.known_mids(command.conversation, row.sending_for + KNOWN_BEFORE)
        body = graph_body.parts(command.message)[row.part]
        found = looking.looked(verdict, body, page=page, since=since, known=known)
        if found.mid is not None:
            metrics.UNKNOWN.labels("list").inc()
        return found

    async def _type(self, lane: Lane, row: Row, connected: Connected) -> Row | None:
        """Best effort: whether Facebook showed it does not matter."""
        began = time.monotonic()
        conversation = ConversationId.parse(row.command.conversation)
        await self._ask(Step.TYPING, graph_body.typing(conversation), connected, self._limits.read)
        return await self._settle(lane, row, order.after_typing(row, shown_for=time.monotonic() - began))

    async def _request(self, lane: Lane, row: Row, connected: Connected) -> Row | None:
        persona = None
        if row.step is Step.SEND and isinstance(row.command, SendMessage):
            persona = await self._personas.of(row.command, connected)
            if row.command.again:
                decision = order.repeats(row, await self._outbound.earlier(row), self.context())
                if decision is not None:
                    return await self._settle(lane, row, decision)
        asked_at = time.monotonic()
        try:
            begun = await self._outbound.begin(lane, row)
        except PageShut:
            await self._pages.look()
            return row
        if begun is None:
            return await self._outbound.head(lane)
        return await self._make(lane, begun, connected, asked_at, persona)

    async def _make(
        self, lane: Lane, begun: Row, connected: Connected, asked_at: float, persona: str | None = None
    ) -> Row | None:
        """The request of a row whose ledger entry was asked for at `asked_at`, monotonic seconds."""
        if time.monotonic() - asked_at > self._limits.margin:
            # This process stood still: by the time of an answer somebody else may have the conversation.
            return await self._settle(lane, begun, order.not_begun(begun))
        verdict = await self._perform(begun, connected, asked_at + self._limits.margin, persona)
        if persona is not None and is_suspect(verdict):
            await self._personas.refused(connected.channel.page_id, persona)
            return await self._settle(lane, begun, order.without_persona(begun))
        context = self.context()
        return await self._settle(lane, begun, order.after(begun, verdict, context, connected.channel))

    async def _perform(self, row: Row, connected: Connected, begin_by: float, persona: str | None) -> Verdict:
        conversation = ConversationId.parse(row.command.conversation)
        match row.step:
            case Step.SEND | Step.TYPING:
                request = self._message(row, connected, persona)
                return await self._ask(row.step, request, connected, begin_by=begin_by)
            case Step.PASS:
                request = graph_body.pass_thread(conversation, _pass_target(row, connected))
                return control(await self._ask(row.step, request, connected))
            case Step.EXTEND:
                request = graph_body.extend_thread(conversation, _seconds(row))
                return control(await self._ask(row.step, request, connected))
            case Step.TAKE:
                return await self._take(conversation, connected)
            case Step.READ_OWNER:
                request = graph_body.thread_owner(conversation)
                return await self._ask(row.step, request, connected, self._limits.read)
            case Step.READ_PROFILE:
                return await self._ask(row.step, graph_body.profile(conversation), connected, self._limits.read)

    def _message(self, row: Row, connected: Connected, persona: str | None) -> GraphRequest:
        command = row.command
        if not isinstance(command, SendMessage):
            raise TypeError(command.type)
        return graph_body.send(
            ConversationId.parse(command.conversation),
            graph_body.parts(command.message)[row.part],
            Origin(command.id, row.part),
            pass_to=connected.channel.page_inbox_app if order.rides(row) else None,
            human_agent=is_tagged(command, self._now(), self._tags(connected)),
            persona=persona,
        )

    async def _ask_briefly(self, request: GraphRequest, connected: Connected) -> Verdict:
        return await self._ask(PERSONA, request, connected, self._limits.read)

    async def _take(self, conversation: ConversationId, connected: Connected) -> Verdict:
        """A refusal is none where we have the thread already."""
        verdict = control(await self._ask(Step.TAKE, graph_body.take_thread(conversation), connected))
        if isinstance(verdict, Permanent) and not verdict.dead_token:
            request = graph_body.thread_owner(conversation)
            holder = owner(await self._ask(Step.READ_OWNER, request, connected, self._limits.read))
            if holder.known and holder.app_id == connected.channel.app_id:
                return Accepted({})
        return verdict

    async def _ask(
        self,
        step: str,
        request: GraphRequest,
        connected: Connected,
        within: float | None = None,
        begin_by: float = math.inf,
    ) -> Verdict:
        began = time.monotonic()
        verdict = await self._graph.ask(request, connected.credentials, within=within, begin_by=begin_by)
        metrics.REQUEST_SECONDS.labels(step).observe(time.monotonic() - began)
        metrics.REQUESTS.labels(step, type(verdict).__name__.lower()).inc()
        await self._pages.learn(connected, verdict, sent=step == Step.SEND)
        return verdict

    async def _settle(self, lane: Lane, before: Row, transition: Transition) -> Row | None:
        """Stored while the claim lasts, also over a short absence of the database: Facebook's answer comes only once."""
        until = time.monotonic() + self._limits.margin
        for wait in delays(RETRY_FIRST, RETRY_CAP, self._rng):
            try:
                settled = await self._outbound.settle(
                    lane,
                    before,
                    lambda met: order.meet(transition, met, self.context()),
                    traceparent=tracing.current(),
                )
            except Exception as error:
                if not passes(error) or time.monotonic() + wait > until:
                    raise
                await asyncio.sleep(wait)
            else:
                self._component.progress()
                if settled.stored is not None:
                    self._tell(before, settled.stored)
                return settled.following
        raise AssertionError("delays end")  # pragma: no cover

    def _tell(self, before: Row, stored: Transition) -> None:
        row = stored.row
        if stored.reports:
            self._published()
        if row.state is State.DONE:
            self._done[row.command.id] = None
            if len(self._done) > DONE:
                self._done.popitem(last=False)
        if not row.state.is_open:
            metrics.CLOSED.labels(row.command.type, row.state).inc()
            log.info("closed", state=row.state, attempts=row.attempts, mid=row.mid, reason=stored.reason)
        elif stored.reason:
            log.warning("put off", step=row.step, reason=stored.reason, attempts=row.attempts, seconds=stored.delay)
        if before.step is Step.SEND and before.state is State.SENDING:
            settled = "echo" if before.mid is not None else _settlement(before, row)
            if settled is not None:
                metrics.UNKNOWN.labels(settled).inc()


def _settlement(before: Row, after: Row) -> str | None:
    """How an unknown outcome ended where no echo told; None: it was none, or still is one."""
    if after.state is State.UNCERTAIN:
        return "uncertain"
    return "again" if after.unknowns > before.unknowns else None


def _page(row: Row) -> str:
    return ConversationId.parse(row.command.conversation).account


def _kind(row: Row) -> Kind:
    """Facebook takes far fewer messages with sound or moving pictures than others."""
    if row.step is not Step.SEND or not isinstance(row.command, SendMessage):
        return Kind.TEXT
    bodies = graph_body.parts(row.command.message)
    attachment = bodies[row.part].attachment if row.part < len(bodies) else None
    return Kind.MEDIA if attachment is not None and attachment.type in {"audio", "video"} else Kind.TEXT


def _seconds(row: Row) -> int:
    if not isinstance(row.command, ExtendThread):
        raise TypeError(row.command.type)
    return row.command.seconds


def _pass_target(row: Row, connected: Connected) -> str:
    return row.command.target if isinstance(row.command, PassThread) else connected.channel.page_inbox_app
