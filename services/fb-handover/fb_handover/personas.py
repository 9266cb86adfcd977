"""The names under which customers see operators, where the page's setting *operator name* shows them.

A persona is made once for each page, name and picture, and used from then on. Without one a message goes out all the same,
in the page's own name: nothing about personas ever holds a message up for longer than one question to Facebook.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from fb_handover import graph_body
from fb_handover.channels import Connected
from graphapi.answers import Accepted, Permanent, Verdict
from graphapi.request import GraphRequest
from runtime.errors import passes
from runtime.logs import get_logger
from runtime.postgres import ACQUIRE_TIMEOUT, Pool, statements
from schemas.bots import MessengerChannel
from schemas.commands import SendMessage
from schemas.messages import Person
from schemas.texts import cut

NAME: Final = 50  # characters of a persona's name; Facebook's limit
PAUSE: Final = 600.0  # seconds in which a page that personas failed on has none
REMEMBERED: Final = 1000
SUSPECT_CODES: Final = frozenset({3, 10, 100, 200})
PAGE_PICTURE: Final = "https://graph.facebook.com/{page}/picture?type=large"

_SQL: Final = statements("fb_handover")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the customer is to see."""

    page: str
    name: str
    picture: str


def shown(person: Person | None, channel: MessengerChannel) -> Shown | None:
    """None where the customer sees the page alone."""
    if person is None or channel.operator_name == "off":
        return None
    name = shown_name(person.name, channel.operator_name)
    picture = channel.operator_picture_url or PAGE_PICTURE.format(page=channel.page_id)
    return Shown(channel.page_id, name, picture) if name else None


def shown_name(name: str, setting: Literal["first_name", "full"]) -> str:
    words = name.split()
    return cut(" ".join(words if setting == "full" else words[:1]), NAME)


def is_suspect(verdict: Verdict) -> bool:
    """Whether the persona of a message may be why Facebook refused it: no subcode says that it is something else."""
    return (
        isinstance(verdict, Permanent)
        and verdict.code in SUSPECT_CODES
        and (verdict.subcode is None or "persona" in verdict.reason.casefold())
        and verdict.next_step != "get_human_agent"
    )


class Personas:
    """`ask` puts a request to Facebook, with a time-out of its own. `clock`: monotonic seconds."""

    def __init__(
        self,
        pool: Pool,
        ask: Callable[[GraphRequest, Connected], Awaitable[Verdict]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._ask = ask
        self._clock = clock
        self._known: OrderedDict[Shown, str] = OrderedDict()
        self._paused: dict[str, float] = {}
        """Page → until when."""
        self._refused: dict[str, float] = {}
        """Page → when a persona of it was last refused."""

    async def of(self, command: SendMessage, connected: Connected) -> str | None:
        """The persona's id; None: the message goes out without."""
        wanted = shown(command.operator, connected.channel)
        if wanted is None or self._clock() < self._paused.get(wanted.page, 0.0):
            return None
        known = self._known.get(wanted) or await self._fetch("persona_find", wanted.page, wanted.name, wanted.picture)
        return self._remember(wanted, known) if known is not None else await self._make(wanted, connected)

    async def refused(self, page: str, persona: str) -> None:
        """Facebook took no message under it: another one is made; if that is refused too, the page goes without for a while."""
        self._known = OrderedDict((wanted, known) for wanted, known in self._known.items() if known != persona)
        now = self._clock()
        if now - self._refused.get(page, -PAUSE) < PAUSE:
            self._pause(page, "a message under a new persona was refused")
        self._refused[page] = now
        try:
            await self._fetch("persona_forget", page, persona)
        except Exception as error:
            if not passes(error):
                raise
            # it is found again then, refused again, and forgotten again
            log.warning("a persona that Facebook refused was not forgotten", page=page, error=type(error).__name__)

    async def _make(self, wanted: Shown, connected: Connected) -> str | None:
        verdict = await self._ask(graph_body.make_persona(wanted.page, wanted.name, wanted.picture), connected)
        made = verdict.body.get("id") if isinstance(verdict, Accepted) else None
        if not isinstance(made, (str, int)) or isinstance(made, bool):
            self._pause(wanted.page, getattr(verdict, "reason", "Facebook told no id"))
            return None
        kept = await self._fetch("persona_keep", wanted.page, wanted.name, wanted.picture, str(made))
        return self._remember(wanted, kept or str(made))

    def _remember(self, wanted: Shown, persona: str) -> str:
        self._known[wanted] = persona
        self._known.move_to_end(wanted)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return persona

    def _pause(self, page: str, reason: str) -> None:
        log.warning("operators speak in the page's own name for a while", page=page, reason=reason)
        self._paused[page] = self._clock() + PAUSE

    async def _fetch(self, statement: str, *arguments: str) -> str | None:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
            found: str | None = await connection.fetchval(_SQL[statement], *arguments)
            return found
