"""Who speaks when customer and operator write at the same moment: the whole product as processes, against a bot that answers

at once and one that takes 300 ms longer. Each race is one message of a customer and one of an operator, up to 50 ms apart,
in an order by chance, and the customer's next message; then the takeover runs out and gives the conversation back.

What is counted comes from outside: from the Graph API's side, from the console's answers and from the topics.
"""

import asyncio
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from aiohttp import ClientSession, CookieJar, TCPConnector
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from bench import product
from bench.graph import Sent
from bench.parts import Say
from bench.product import PAGE, QUESTION, Page
from bench.reply import milliseconds, paced, told
from bench.servers import Servers, cpu_seconds
from bench.slow_engine import MARK
from console.command_line import create_admin
from console.settings import ConsoleSettings
from runtime.settings import ServiceSettings
from schemas import envelope
from schemas.base import BaseEvent
from schemas.bots import TakeoverSettings
from schemas.commands import SendMessage
from schemas.handover import Cause
from schemas.messages import Speaker
from schemas.outcomes import AnswerSuppressed, CommandAccepted, EpisodeOutcome, TakeoverEnded
from schemas.topics import MESSENGER_COMMANDS, OUTCOMES

RACES: Final = int(os.environ.get("BENCH_RACES", "1000"))  # with each bot; as many conversations
RATE: Final = 8.0  # races a second, at most
ABREAST: Final = 2  # races under way before the next waits: with more, it would be a queue in front of a busy machine
MEETING: Final = 40.0  # first contacts a second
APART: Final = 0.05  # seconds between customer and operator, at most
NEXT: Final = 1.0  # seconds after the race, until the customer writes again
LEFT: Final = 5.0  # seconds after which an operator's message is not waited for any more; it may still come
EXPIRY: Final = 20  # seconds of a takeover
BACK: Final = 60.0  # seconds within which a conversation that is to race again is the bot's
LOOK: Final = 0.5  # seconds
EMAIL: Final = "ana@example.com"
PASSWORD: Final = "a-password-of-the-bench"  # noqa: S105 - nobody's
BOTS: Final[Mapping[str, str]] = {"quick": QUESTION, "slow": f"{QUESTION} {MARK}"}
"""Bot → what a customer asks it."""


@dataclass(frozen=True, slots=True)
class Race:
    """Times as of `time.time()`: the operator's request and its 2xx, the customer's next message, when all was over."""

    bot: str
    customer: str
    command: str
    text: str
    posted: float
    taken: float
    next: float
    over: float

    @property
    def conversation(self) -> str:
        return f"messenger:{PAGE}:{self.customer}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the topics say. `accepted`: command → broker's time. `commanded_over`: messages of the bot, behind a person's."""

    accepted: Mapping[str, float]
    suppressed: int
    returned_late: Sequence[float]
    commanded_over: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of the races with one bot. Spans in seconds."""

    races: int
    spoke_over: int
    """Messages of the bot that left after the operator's, before the customer's next."""
    answered_next: int
    """Messages of the bot after that."""
    lost: int
    """Operator's messages that did not leave exactly once, or that takeover did not accept."""
    bot_first: int
    """Races that the bot's answer won: it left before the operator's message did."""
    taken: Sequence[float]
    accepted: Sequence[float]
    left: Sequence[float]
    silence: Sequence[float]
    """From the takeover's acceptance to the last message of the bot having left; 0 where none left after it."""


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """Raises TimeoutError, Ended, and Refused where the operator cannot sign in or see a conversation."""
    takeover = TakeoverSettings(default_session_expiry=EXPIRY)
    async with product.running(servers, "races", say, engine="bench.slow_engine", takeover=takeover) as ours:
        admin = ConsoleSettings(kafka_bootstrap=servers.bootstrap, database_url=SecretStr(ours.database))
        await create_admin(admin, EMAIL, "Ana Kovač", PASSWORD)
        async with ClientSession(connector=TCPConnector(limit=0), cookie_jar=CookieJar(unsafe=True)) as http:
            desk = Desk(http, ours.services["console"].port)
            await desk.sign_in()
            races, cpu = await _races(ours.page, desk, [each.pid for each in ours.services.values()], say)
        await asyncio.sleep(EXPIRY + 1)  # the last ones go back
        recorded = await _recorded(servers)
        return _figures({bot: judge(races, ours.page.sent, recorded, bot) for bot in BOTS}, recorded, cpu, say)


async def _races(page: Page, desk: "Desk", pids: Sequence[int], say: Say) -> tuple[list[Race], float]:
    """Each conversation races once with either bot. And the processor seconds of a race, our services only."""
    customers = [f"5{number:015}" for number in range(RACES)]
    waiting = iter(customers)
    await paced(lambda: page.asks(next(waiting)), len(customers), MEETING)
    say(f"{len(customers)} conversations; {RATE:.0f} races a second at most, {ABREAST} at a time")
    scene = Scene(page, desk, say, random.Random(1), asyncio.Semaphore(ABREAST))
    races: list[Race] = []
    before, began, busy = sum(map(cpu_seconds, pids)), time.monotonic(), _busy()
    for number in range(len(BOTS)):
        plan = [_race(scene, bot, each, number) for bot, each in _plan(customers, number)]
        begin = iter(plan)
        races += await paced(begin.__next__, len(plan), RATE)
        seconds = time.monotonic() - began
        say(f"{len(races)} races, {len(races) / seconds:.1f} a second, {(_busy() - busy) / seconds:.1f} cores busy")
    return races, (sum(map(cpu_seconds, pids)) - before) / len(races)


@dataclass(frozen=True, slots=True)
class Scene:
    """What all races share."""

    page: Page
    desk: "Desk"
    say: Say
    chance: random.Random
    gate: asyncio.Semaphore


def _busy() -> float:
    """Processor seconds of the whole machine, whoever used them."""
    import psutil

    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice + times.irq + times.softirq)


def _plan(customers: Sequence[str], number: int) -> list[tuple[str, str]]:
    """Who races with which bot: both bots in turn, and each customer with the other one next time."""
    names = list(BOTS)
    return [(names[(number + place) % len(names)], customer) for place, customer in enumerate(customers)]


async def _race(scene: "Scene", bot: str, customer: str, number: int) -> Race:
    page, desk = scene.page, scene.desk
    conversation = f"messenger:{PAGE}:{customer}"
    seen = await desk.open(conversation)
    text = f"Ana here, {number}: how can I help?"
    ahead = scene.chance.uniform(-APART, APART)

    async def customer_writes() -> None:
        await asyncio.sleep(max(0.0, -ahead))
        await page.says(customer, BOTS[bot])

    async def operator_writes() -> tuple[str, float, float]:
        await asyncio.sleep(max(0.0, ahead))
        began = time.time()
        try:
            return await desk.reply(conversation, seen, text), began, time.time()
        except Refused as error:
            scene.say(f"{error}")
            return "", began, time.time()  # counts as lost

    async with scene.gate:
        left = page.until_left(customer, text)
        _, (command, posted, taken) = await asyncio.gather(customer_writes(), operator_writes())
        await asyncio.wait([left], timeout=LEFT)
    await asyncio.sleep(NEXT)
    again = time.time()
    await page.says(customer, BOTS[bot])
    await asyncio.sleep(NEXT)
    return Race(bot, customer, command, text, posted, taken, again, time.time())


class Refused(Exception):
    """The console did not do what an operator asked for."""


class Desk:
    """An operator at the console's API."""

    def __init__(self, http: ClientSession, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}/api/v1"
        self._headers: dict[str, str] = {}

    async def sign_in(self) -> None:
        answer = await self._ask("POST", "/session", {"email": EMAIL, "password": PASSWORD})
        self._headers["X-CSRF-Token"] = answer["csrf_token"]

    async def open(self, conversation: str) -> tuple[int, int]:
        """Epoch and last entry of a conversation, once it is the bot's. Raises TimeoutError."""
        path = f"/conversations/{quote(conversation, safe='')}"
        async with asyncio.timeout(BACK):
            while (found := (await self._ask("GET", path))["conversation"])["owner"] != "bot":  # noqa: ASYNC110 - of another process
                await asyncio.sleep(LOOK)
        return found["epoch"], found["seq"]

    async def reply(self, conversation: str, seen: tuple[int, int], text: str) -> str:
        """The command's id. Raises Refused."""
        body = {"epoch": seen[0], "seq": seen[1], "text": text}
        answer = await self._ask("POST", f"/conversations/{quote(conversation, safe='')}/replies", body)
        return str(answer["command"])

    async def _ask(self, method: Literal["GET", "POST"], path: str, body: object = None) -> Any:  # JSON
        async with self._http.request(method, self._url + path, json=body, headers=self._headers) as answer:
            if answer.status >= 300:
                raise Refused(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()


def judge(races: Sequence[Race], sent: Sequence[Sent], recorded: Recorded, bot: str) -> Verdict:
    """What the Graph API accepted against what the operators were told; `sent` in the order it was accepted."""
    said: defaultdict[str, list[Sent]] = defaultdict(list)
    for each in sent:
        said[each.customer].append(each)
    operators = {(race.customer, race.text) for race in races}
    counted: Counter[str] = Counter()
    mine = [race for race in races if race.bot == bot]
    left, silence = [], []
    for race in mine:
        own = [each.at for each in said[race.customer] if each.text == race.text]
        accepted = recorded.accepted.get(race.command)
        if len(own) != 1 or accepted is None:
            counted["lost"] += 1
            continue
        bots = [each.at for each in said[race.customer] if (each.customer, each.text) not in operators]
        counted["over"] += sum(own[0] < at <= race.next for at in bots)
        counted["next"] += sum(race.next < at <= race.over for at in bots)
        counted["first"] += any(race.posted - 2 * APART < at < own[0] for at in bots)
        left.append(own[0] - race.posted)
        silence.append(max([at - accepted for at in bots if accepted < at <= race.over], default=0.0))
    return Verdict(
        races=len(mine),
        spoke_over=counted["over"],
        answered_next=counted["next"],
        lost=counted["lost"],
        bot_first=counted["first"],
        taken=[race.taken - race.posted for race in mine],
        accepted=[recorded.accepted[race.command] - race.posted for race in mine if race.command in recorded.accepted],
        left=left,
        silence=silence,
    )


def _figures(verdicts: Mapping[str, Verdict], recorded: Recorded, cpu: float, say: Say) -> dict[str, float]:
    figures = {
        "race_two_voices": sum(each.spoke_over for each in verdicts.values()) + recorded.commanded_over,
        "race_answered_next": sum(each.answered_next for each in verdicts.values()),
        "race_lost": sum(each.lost for each in verdicts.values()),
        "race_cpu_ms": cpu * 1000,
        "race_suppressed": recorded.suppressed,
        "return_late_p50_ms": milliseconds(recorded.returned_late, 0.5),
        "return_late_p99_ms": milliseconds(recorded.returned_late, 0.99),
        "returns": len(recorded.returned_late),
    }
    for bot, each in verdicts.items():
        say(
            f"{bot} bot, {each.races} races: spoke after the operator {each.spoke_over}, answered the next message too"
            f" {each.answered_next}, operator's messages lost or sent twice {each.lost}; the bot had answered before {each.bot_first}"
        )
        say(f"  operator's message to its 2xx: {told(each.taken)}; to accepted in the log: {told(each.accepted)}")
        say(f"  to the Graph API: {told(each.left)}; takeover to silence: {told(each.silence)}")
        figures |= {
            f"race_{bot}_races": each.races,
            f"race_{bot}_bot_first": each.bot_first,
            f"race_{bot}_accepted_p50_ms": milliseconds(each.taken, 0.5),
            f"race_{bot}_accepted_p99_ms": milliseconds(each.taken, 0.99),
            f"race_{bot}_decided_p50_ms": milliseconds(each.accepted, 0.5),
            f"race_{bot}_graph_p50_ms": milliseconds(each.left, 0.5),
            f"race_{bot}_graph_p99_ms": milliseconds(each.left, 0.99),
            f"race_{bot}_silence_p50_ms": milliseconds(each.silence, 0.5),
            f"race_{bot}_silence_p99_ms": milliseconds(each.silence, 0.99),
            f"race_{bot}_silence_worst_ms": milliseconds(each.silence, 1.0),
        }
    say(f"answers suppressed {recorded.suppressed}; a race costs {cpu * 1000:.0f} ms of processor, our services alone")
    say(f"returned by their time: {told(recorded.returned_late)} late")
    return figures


async def _recorded(servers: Servers) -> Recorded:
    """Reads both topics from their beginning."""
    accepted: dict[str, float] = {}
    suppressed = 0
    deadlines: dict[str, float] = {}
    late: list[float] = []
    for at, event in await _all(servers, OUTCOMES):
        match event:
            case CommandAccepted():
                accepted[event.command] = at
            case AnswerSuppressed():
                suppressed += 1
            case EpisodeOutcome(episode=str(episode), deadline=deadline) if deadline is not None:
                deadlines[episode] = deadline.timestamp()
            case TakeoverEnded(cause=Cause.EXPIRED, episode=str(episode)):
                late.append(at - deadlines[episode])
            case _:
                pass
    return Recorded(
        accepted, suppressed, late, commanded_over([event for _, event in await _all(servers, MESSENGER_COMMANDS)])
    )


def commanded_over(commands: Sequence[BaseEvent]) -> int:
    """The bot's messages that were commanded behind a person's and before that takeover ended; the order is the topic's."""
    persons: dict[str, int] = {}
    found = 0
    for event in commands:
        match event:
            case SendMessage(speaker=Speaker.OPERATOR):
                persons[event.conversation] = event.epoch
            case SendMessage():
                found += event.epoch <= persons.get(event.conversation, -1)
            case _:
                pass
    return found


async def _all(servers: Servers, topic: str) -> list[tuple[float, BaseEvent]]:
    """Of each record the broker's or the writer's time, in seconds since 1970, and the event; in order for each conversation."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(ServiceSettings().partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        missing = sum((await consumer.end_offsets(places)).values())
        found: list[tuple[float, BaseEvent]] = []
        while len(found) < missing:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found += [
                    (record.timestamp / 1000, envelope.decode(topic, record.value, dict(record.headers)))
                    for record in records
                ]
        return found
    finally:
        await consumer.stop()
