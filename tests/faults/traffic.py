"""Steady traffic: customers who number their messages, operators at the console's API, staff in the Page Inbox."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from aiohttp import ClientError

from faults.stack import EMAIL, PASSWORD, SECOND, Stack
from story.answers import Conversation
from story.doors import Console, Door, Facebook, Refused
from story.seed import PAGE

ASKS: Final = (
    "a person please",
    "is anybody free",
    "hello",
    "hello",
    "and another thing",
    "thank you",
    "one more question",
)
INSIST: Final = 90.0  # seconds in which a command is sent again until somebody answers
PAUSE: Final = 0.3  # seconds before it is
LOST: Final = (ClientError, OSError, TimeoutError)  # no answer


@dataclass
class Load:
    """What was done, and the operators' commands that the console took: id → kind."""

    counts: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, str] = field(default_factory=dict)


class Traffic:
    def __init__(self, stack: Stack, seed: int, *, customers: int) -> None:
        self._stack = stack
        self._seed = seed
        self._customers = customers
        self._psids: list[str] = []
        self._spoken: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()
        self.load = Load()

    async def start(self) -> None:
        async with Facebook(self._stack.at("facebook")) as box:
            self._psids = [await box.meet(PAGE, f"Customer{number}", "Test") for number in range(self._customers)]
        people = [self._customer(psid, number) for number, psid in enumerate(self._psids)]
        people += [self._operator(EMAIL), self._operator(SECOND), self._staff()]
        self._tasks = [asyncio.create_task(each) for each in people]

    async def stop(self) -> None:
        """Nobody begins anything new; what was begun is done. Raises what a person met that nobody expected."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        """Whatever anybody is at; fine after `stop`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _rng(self, who: str) -> random.Random:
        return random.Random(f"{self._seed} {who}")

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    async def _customer(self, psid: str, number: int) -> None:
        rng, count = self._rng(f"customer {number}"), 0
        async with Facebook(self._stack.at("facebook")) as box:
            while not self._over.is_set():
                if count and rng.random() < 0.15:
                    await self._clicks(box, psid)
                else:
                    count += 1
                    await box.says(PAGE, psid, f"{rng.choice(ASKS)} #{number:03}-{count:04}#")
                    self.load.counts["customers' messages"] += 1
                    if count == 1:
                        self._spoken.append(psid)
                await self._pause(rng.uniform(0.2, 5.0))

    async def _clicks(self, box: Facebook, psid: str) -> None:
        try:
            await box.picks(PAGE, psid, "Back to bot")
        except Refused as refused:
            if refused.status != 409:  # she does not see the button now
                raise
        else:
            self.load.counts["clicks of Back to bot"] += 1

    # --- staff

    async def _staff(self) -> None:
        rng, count = self._rng("staff"), 0
        async with Facebook(self._stack.at("facebook")) as box:
            while not self._over.is_set():
                await self._pause(rng.uniform(0.5, 3.0))
                if not self._spoken:
                    continue
                gesture = rng.choice(("reply", "reply", "move_to_main", "move_to_done", "move_to_done"))
                count += 1
                body = {"text": f"Staff here, {count}."} if gesture == "reply" else None
                try:
                    await box.staff(PAGE, rng.choice(self._spoken), gesture, body)
                except Refused as refused:
                    if refused.status != 409:
                        raise
                else:
                    self.load.counts["acts of staff"] += 1

    # --- operators

    async def _operator(self, email: str) -> None:
        """Both look at the same few conversations for a while, so that they get in each other's way."""
        rng, count = self._rng(email), 0
        together = self._rng("operators")
        async with Console(self._stack.at("console")) as console:
            await self._signed_in(console, email)
            while not self._over.is_set():
                await self._pause(rng.uniform(0.2, 1.6))
                if not self._spoken:
                    continue
                among = [together.choice(self._spoken) for _ in range(2)] if rng.random() < 0.5 else self._spoken
                conversation = f"messenger:{PAGE}:{rng.choice(among)}"
                try:
                    seen = await console.conversation(conversation)
                except (*LOST, Refused):
                    continue
                if seen is not None:
                    count += 1
                    await self._act(console, seen, rng, f"{email.partition('@')[0]}-{count}")

    @staticmethod
    async def _signed_in(console: Console, email: str) -> None:
        while True:
            try:
                return await console.sign_in(email, PASSWORD)
            except LOST:
                await asyncio.sleep(PAUSE)

    async def _act(self, console: Door, seen: Conversation, rng: random.Random, key: str) -> None:
        what, body = _choice(seen, rng, key)
        path = f"/conversations/{quote(seen.id, safe='')}/{what}"
        async with asyncio.timeout(INSIST):
            while True:
                try:
                    sent = await console.ask("POST", path, body, **{"Idempotency-Key": key})
                except Refused as refused:
                    if refused.status < 500 and refused.status != 429:
                        self.load.counts[f"{what}, refused by the console"] += 1
                        return
                except LOST:
                    pass
                else:
                    self.load.accepted[sent["command"]] = what
                    self.load.counts[what] += 1
                    return
                await asyncio.sleep(PAUSE)


def _choice(seen: Conversation, rng: random.Random, key: str) -> tuple[str, Mapping[str, object]]:
    """What an operator does with a conversation that looks like this."""
    epoch = {"epoch": seen.epoch}
    takes = ("takeover", epoch | ({"expiry": rng.randint(2, 8)} if rng.random() < 0.5 else {}))
    replies = ("replies", epoch | {"seq": seen.seq, "text": f"{key} replies.", "force": rng.random() < 0.2})
    if seen.owner == "bot":
        return takes if rng.random() < 0.6 else replies
    chance = rng.random()
    if chance < 0.4:
        return replies
    if chance < 0.55:
        return "expiry", epoch | ({"never": True} if rng.random() < 0.2 else {"expiry": rng.randint(1, 8)})
    if chance < 0.7:
        return "takeover", epoch | {"force": rng.random() < 0.5}
    return "hand-back", epoch | {"mode": rng.choice(("continue", "continue", "restart", "close"))}
