"""The webhook's HTTP side: thin, in order: bound, read, check, understand, store, answer."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Final, Protocol

from aiohttp import web
from prometheus_client import Counter

from ingress import metrics, webhook
from ingress.channels import Channels
from ingress.gate import Gate
from ingress.load import Load, Share
from ingress.messenger import Parsed, parse
from ingress.outages import Outages
from ingress.refusals import (
    RETRY_AFTER,
    BadSignature,
    BrokenBody,
    Busy,
    NotReady,
    NotStored,
    Refused,
    TooLarge,
    TooSlow,
    Unparsable,
    WrongToken,
)
from ingress.routing import Router
from ingress.signature import HEADER, is_token, signed_with
from runtime import tracing
from runtime.errors import Later, Overloaded, WrongPartitions
from runtime.logs import get_logger
from runtime.packing import Packed

MAX_BODY: Final = 1024 * 1024  # bytes
SAY_EVERY: Final = 10.0  # seconds between two log lines about the same refusal

log = get_logger(__name__)


class Publishes(Protocol):
    """What of the publisher is needed."""

    async def publish_packed(self, packed: list[Packed], /, *, within: float) -> None: ...


class Webhook:
    """`/webhooks/messenger`. Answers 503 until `open` was called."""

    def __init__(
        self,
        *,
        channels: Channels,
        gate: Gate,
        outages: Outages,
        load: Load,
        budget: float,
        now: Callable[[], datetime],
    ) -> None:
        self._channels = self._current = channels
        self._sure = True
        self._gate = gate
        self._outages = outages
        self._load = load
        self._budget = budget
        self._now = now
        self._publisher: Publishes | None = None
        self._said: dict[str, float] = {}
        metrics.IN_FLIGHT.set_function(lambda: load.requests)

    def open(self, publisher: Publishes, remembered: Channels | None = None) -> None:
        """Webhooks are taken from now on. `remembered`: the channels of before, while the broker cannot be asked for those
        of now; what they do not know is not refused then, but put off.
        """
        self._publisher = publisher
        self._channels = remembered or self._current
        self._sure = remembered is None

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/webhooks/messenger", self.verify), web.post("/webhooks/messenger", self.receive)]

    async def verify(self, request: web.Request) -> web.Response:
        """Facebook's handshake: the challenge comes back as it was sent."""
        try:
            return web.Response(text=self._challenge(request), headers={"X-Content-Type-Options": "nosniff"})
        except Refused as refusal:
            return self._refuse(refusal)

    def _challenge(self, request: web.Request) -> str:
        if self._publisher is None:
            raise NotReady
        query = request.query
        told, challenge = query.get("hub.verify_token", ""), query.get("hub.challenge")
        if query.get("hub.mode") != "subscribe" or challenge is None:
            raise WrongToken
        if not is_token(told, self._channels.known.verify_tokens):
            raise WrongToken if self._sure else NotReady
        return challenge

    async def receive(self, request: web.Request) -> web.Response:
        """Answers 200 only when the broker has all that the webhook told."""
        began = time.monotonic()
        try:
            with self._load.request() as share:
                body = await self._body(request, share)
                # one deadline for all of it: what the body used up is not left for the broker
                count = await self._take(request, body, within=self._budget - (time.monotonic() - began))
        except Refused as refusal:
            return self._refuse(refusal)
        metrics.SECONDS.observe(time.monotonic() - began)
        return web.Response(body=b'{"received":%d}' % count, content_type="application/json")

    async def _body(self, request: web.Request, share: Share) -> bytes:
        if self._publisher is None:
            raise NotReady
        if (request.content_length or 0) > MAX_BODY:
            raise TooLarge
        content = request.content
        try:
            if content.is_eof():  # it came with the head, as most do: there is nothing to wait for
                return _grown(share, content.read_nowait())
            async with asyncio.timeout(self._budget):
                return b"".join([_grown(share, chunk) async for chunk in content.iter_any()])
        except TimeoutError:
            raise TooSlow from None
        except web.RequestPayloadError:
            raise BrokenBody from None

    async def _take(self, request: web.Request, body: bytes, within: float) -> int:
        known = self._channels.known
        secret = signed_with(body, request.headers.get(HEADER), known.app_secrets)
        if secret is None:
            raise BadSignature if self._sure else NotReady
        try:
            document = webhook.document(body)
        except webhook.NotJson:
            raise Unparsable from None
        if not webhook.is_page(document):
            metrics.IGNORED.inc()
            return 0
        with tracing.span("webhook", request.headers.get("traceparent"), root=True) as traceparent:
            found = parse(document, received=self._now())
            began = time.monotonic()
            await self._gate.settled(lambda: {part.element.page for part in found if isinstance(part, Parsed)}, within)
            router = Router(body, self._gate.through(known, known.apps[secret], self._now()), traceparent)
            packed = router.records(found)
            if not self._sure and "unknown_page" in router.letters:
                raise NotReady
            await self._store([*router.facts(), *packed], within - (time.monotonic() - began))
            self._outages.taken()
        _count(found, router)
        return len(found)

    async def _store(self, packed: list[Packed], within: float) -> None:
        if self._publisher is None:
            raise NotReady
        try:
            await self._publisher.publish_packed(packed, within=within)
        except Overloaded:
            raise Busy from None
        except (Later, WrongPartitions) as error:
            raise NotStored from error

    def _refuse(self, refusal: Refused) -> web.Response:
        metrics.REFUSED.labels(refusal.code).inc()
        if refusal.status == NotStored.status:
            self._outages.refused()
        now = time.monotonic()
        if now - self._said.get(refusal.code, -SAY_EVERY) >= SAY_EVERY:  # a flood must not fill a disk
            self._said[refusal.code] = now
            log.warning("webhook refused", reason=refusal.code, why=str(refusal.__cause__ or refusal.__doc__))
        return web.json_response(
            {"error": refusal.code},
            status=refusal.status,
            headers={"Retry-After": str(RETRY_AFTER)} if refusal.status == NotStored.status else None,
        )


def _grown(share: Share, chunk: bytes) -> bytes:
    """The chunk, counted. Raise TooLarge, Busy."""
    share.grow(len(chunk))
    if share.bytes > MAX_BODY:
        raise TooLarge
    return chunk


def _count(found: list[Parsed | webhook.Broken], router: Router) -> None:
    for part in found:
        if isinstance(part, Parsed):
            _received(part.kind).inc()
    for reason, count in router.letters.items():
        metrics.LETTERS.labels(reason).inc(count)


@cache  # kinds are few; a look-up by label costs more than the counting
def _received(kind: str) -> Counter:
    return metrics.RECEIVED.labels(kind)
