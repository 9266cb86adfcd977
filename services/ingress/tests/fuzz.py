"""A coverage-guided fuzzer of the webhook: `make fuzz SECONDS=60`, or `python fuzz.py --seconds 60 [--runs N] [--corpus FOLDER]`.

It changes the bodies of the fixtures, as JSON and as bytes, led by the branches of ours that a change reaches, and posts
each, signed, to the real handler. Whatever comes: the answer is 200 or a definite 4xx, and within a second; what is JSON and
about a page is answered 200; each record can be read again; the good events that are put around it are not lost.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import atheris

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

with atheris.instrument_imports(include=["ingress", "schemas"]):
    from aiohttp import StreamReader, web
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.test_utils import make_mocked_request
    from ingress_world import Page, settings_for

    from ingress.channels import Channels
    from ingress.gate import Gate
    from ingress.handlers import MAX_BODY, Webhook
    from ingress.load import Load
    from ingress.outages import Outages
    from runtime.packing import Packed
    from runtime.secrets import SecretBox
    from schemas.conversations import CustomerMessage
    from schemas.envelope import decode

BODIES = sorted(path for path in (HERE / "fixtures").glob("*.json") if path.name != "index.json")
PAGE = "1029"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SLOW = 1.0  # seconds for one body, which is far below the budget of 4.5
# what Facebook sends, what it does not, and what JSON has beside
ODD: Sequence[object] = (
    None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "\0", "\ud800", "_page", "1029", 1029, "7733", [], {}, [[]], {"": None},
    "true", "messaging", "2026-11-24T12:00:00+0000",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 1_795_500_000, 1_795_500_000_000, "x" * 600, [None] * 40, {"id": {"id": 1}},
)  # fmt: skip


class Broker:
    """Keeps what the last webhook brought."""

    def __init__(self) -> None:
        self.records: list[Packed] = []

    async def publish_packed(self, packed: Sequence[Packed], /, *, within: float | None = None) -> None:
        assert within is None or within > 0
        self.records += packed

    def give_up(self) -> None:
        """Nobody waits."""


class Target:
    """The handler, with one page that a bot has."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.broker = Broker()
        self.page = Page(id=PAGE)
        channels = Channels(SecretBox(settings_for("unused:1").secret_keys))
        channels.apply("bot", self.page.settings())
        load = Load(max_requests=10, max_bytes=64 * 1024 * 1024)
        gate, outages = Gate(lambda: NOW), Outages(60, lambda: NOW)
        self.webhook = Webhook(channels=channels, gate=gate, outages=outages, load=load, budget=4.5, now=lambda: NOW)
        self.webhook.open(self.broker)

    def post(self, body: bytes) -> tuple[web.Response, list[Packed]]:
        self.broker.records = []
        payload = StreamReader(cast("BaseProtocol", Mock(_reading_paused=False)), limit=2**16, loop=self.loop)
        payload.feed_data(body)
        payload.feed_eof()
        headers = self.page.signed(body) | {"Content-Length": str(len(body))}
        request = make_mocked_request("POST", "/webhooks/messenger", headers, payload=payload)
        began = time.monotonic()
        answer = self.loop.run_until_complete(self.webhook.receive(request))
        assert time.monotonic() - began < SLOW, "slow"
        return answer, self.broker.records

    def one(self, body: bytes) -> None:
        """Whatever it is."""
        if len(body) > MAX_BODY:
            return
        answer, records = self.post(body)
        value = _json(body)
        if value is not None and isinstance(value, dict) and value.get("object") == "page":
            assert answer.status == 200, answer.text
        assert answer.status == 200 or 400 <= answer.status < 500, (answer.status, answer.text)
        for record in records:
            event = decode(record.topic, record.value, record.headers)
            assert event.key.encode() == record.key
        if value is not None:
            self.among_good_ones(body)

    def among_good_ones(self, value: bytes) -> None:
        """As one event of a batch, as an array of events, and as an entry: its neighbours are not lost."""
        before, after = (
            json.dumps(self.page.message(text, psid="good", mid=f"good-{text}")).encode() for text in ("a", "b")
        )
        page, good = PAGE.encode(), b'{"id":"%s","messaging":[%s]}'
        batch = b'{"object":"page","entry":[{"id":"%s","messaging":[%s,%s,%s]}]}' % (page, before, value, after)
        entries = b'{"object":"page","entry":[%s,%s,%s]}' % (good % (page, before), value, good % (page, after))
        arrays = b'{"object":"page","entry":[%s,{"id":"%s","messaging":%s,"standby":%s},%s]}' % (
            *(good % (page, before), page, value, value),
            good % (page, after),
        )
        for body in (batch, entries, arrays):
            if len(body) <= MAX_BODY and _json(body) is not None:
                answer, records = self.post(body)
                assert answer.status == 200, answer.text
                events = [decode(record.topic, record.value, record.headers) for record in records]
                said = [
                    event.mid for event in events if isinstance(event, CustomerMessage) and event.mid[:5] == "good-"
                ]
                assert said == ["good-a", "good-b"], said


def _json(body: bytes) -> object:
    """The value, None where it is not JSON or null."""
    try:
        return json.loads(body.decode(), parse_constant=_none)
    except (ValueError, RecursionError):
        return None


def _none(name: str) -> object:
    raise ValueError(name)


def mutated(data: bytes, limit: int, seed: int) -> bytes:
    """Another body. Half of the time a value of the JSON is replaced, doubled, moved or dropped; else bytes are."""
    rng = random.Random(seed)
    value = _json(data)
    if isinstance(value, dict | list) and rng.random() < 0.5:
        places = list(_places(value))
        for _ in range(rng.randint(1, 3)):
            _change(rng, *rng.choice(places), odd=rng.choice([*ODD, rng.choice(places)[1]]))
        made = json.dumps(value, check_circular=False).encode() if not _endless(value) else data
        return made[:limit]
    return bytes(atheris.Mutate(data, limit))


def _places(value: object) -> "list[tuple[object, object]]":
    """(container, key or index) of each value, not deeper than a webhook is."""
    found: list[tuple[object, object]] = [([value], 0)]
    waiting = [value]
    while waiting and len(found) < 500:
        inner = waiting.pop()
        steps = list(inner) if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        for step in steps:
            found.append((inner, step))
            waiting.append(inner[step])
    return found


def _change(rng: random.Random, container: object, step: object, *, odd: object) -> None:
    if isinstance(container, dict) and step in container:
        match rng.randrange(4):
            case 0:
                del container[step]
            case 1:
                container[rng.choice(KEYS)] = container[step]
            case _:
                container[step] = odd
    elif isinstance(container, list) and isinstance(step, int) and step < len(container):
        match rng.randrange(4):
            case 0:
                del container[step]
            case 1:
                container.insert(step, container[step])
            case _:
                container[step] = odd


def _endless(value: object) -> bool:
    try:
        json.dumps(value)
    except (ValueError, RecursionError, TypeError):
        return True
    return False


def _keys() -> tuple[str, ...]:
    """Every key that the fixtures have."""
    found: set[str] = set()
    for path in BODIES:
        waiting = [json.loads(path.read_bytes())]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                found |= value.keys()
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
    return tuple(sorted(found))


KEYS = _keys()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzzes the webhook.")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=-1, help="bodies at most (default: as many as there is time for)")
    parser.add_argument("--seed", type=int, default=0, help="the same runs again; 0: others each time")
    parser.add_argument("--corpus", type=Path, help="folder that keeps what reached something new")
    parser.add_argument("--crashes", type=Path, default=Path("build/fuzz"), help="where a body that fails is written")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="convoboss-fuzz-")))
        corpus = options.corpus or folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        options.crashes.mkdir(parents=True, exist_ok=True)
        words = folder / "words"
        words.write_text("".join(f'"\\"{key}\\""\n' for key in KEYS if key.isidentifier()))
        flags = [
            f"-max_total_time={options.seconds}",
            f"-runs={options.runs}",
            f"-seed={options.seed}",
            f"-dict={words}",
        ]
        flags += [f"-artifact_prefix={options.crashes}/", "-max_len=20000", "-timeout=20", "-rss_limit_mb=2000"]
        target = Target()
        seeds = folder / "seeds"
        seeds.mkdir()
        for path in BODIES:  # they hold as they are, before anything is changed
            target.one(path.read_bytes())
            shutil.copy(path, seeds)
        atheris.Setup([sys.argv[0], *flags, str(corpus), str(seeds)], target.one, custom_mutator=mutated)
        atheris.Fuzz()  # ends the process


if __name__ == "__main__":
    main()
