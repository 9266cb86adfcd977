"""Looks after each page every few minutes: do its webhooks come, is its token good, how are its conversations routed?

What can be repaired is repaired at once: lists of fields are written again, merged with what is there. What was missed
meanwhile is demanded to be caught up before the repair, so that a death in between forgets nothing. The rest is told in
`pages`, with what the page's admin has to do.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiokafka.errors import KafkaError

from graphapi.answers import Accepted, Later, Permanent, Unknown, Verdict, control
from graphapi.request import Body, GraphRequest
from ingress import metrics, mode, subscriptions
from ingress.catch_up import Asks, Demands
from ingress.channels import Channel, Channels
from ingress.gate import Gate
from ingress.leader import Leader
from ingress.mode import Shown
from ingress.subscriptions import CONNECT_PAGE, CONNECT_WEBHOOKS, UNKNOWN_PAGE, Plan, SubscribeApp, SubscribePage
from runtime import errors as runtime_errors
from runtime.logs import get_logger
from runtime.pages import PageReports
from schemas.pages import Aspect, PageStatus, Step

TICK: Final = 1.0  # seconds
FIRST_WITHIN: Final = 10.0  # seconds after a page became known, or this process leads
JITTER: Final = (0.8, 1.2)  # times the interval
AT_ONCE: Final = 4  # pages
PROBED: Final = 3  # conversations whose owners are asked for
PROBE_LISTED: Final = 10
AWAY: Final = 3  # looks that were left out, after which something was missed
TELL_EVERY: Final = timedelta(hours=1)  # about pages that no bot has

log = get_logger(__name__)

PERMISSIONS: Final = (
    Step(
        text="In the Meta App Dashboard open App Review > Permissions and features: the app needs pages_messaging and pages_manage_metadata."
    ),
    *CONNECT_PAGE,
)
APP_SECRETS: Final = (
    Step(
        text="Compare App ID and App Secret in Publishing Configuration with the Meta App Dashboard > App settings > Basic."
    ),
)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`every`: seconds between looks at a page. `missed_after`: seconds without a look after which something was missed."""

    every: float
    missed_after: float

    @property
    def away(self) -> timedelta:
        return timedelta(seconds=max(self.missed_after, AWAY * self.every))


class Watchdog:
    """Runs in every pod and works in the one that leads."""

    def __init__(
        self,
        graph: Asks,
        channels: Channels,
        gate: Gate,
        reports: PageReports,
        demands: Demands,
        rhythm: Rhythm,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._graph = graph
        self._channels = channels
        self._gate = gate
        self._reports = reports
        self._demands = demands
        self._rhythm = rhythm
        self._now = now
        self._clock = clock
        self._uniform = uniform
        self._sleep = sleep
        self._due: dict[str, float] = {}

    async def run(self, leader: Leader) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(TICK)
            if leader.leads:
                await self.round()
            else:
                self._due.clear()

    async def round(self) -> None:
        """Looks at the pages whose turn it is."""
        await self._guarded(self._strangers(), "strangers")
        now = self._clock()
        serving = {channel.page: channel for channel in self._channels.known.channels}
        self._due = {page: self._due.get(page, self._soon(now)) for page in serving}
        ready = [page for page, due in self._due.items() if due <= now]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(page: str) -> None:
            async with gate:
                await self._guarded(self.look(serving[page]), page)
                self._due[page] = self._clock() + self._rhythm.every * self._uniform(*JITTER)

        await asyncio.gather(*(one(page) for page in ready))

    def _soon(self, now: float) -> float:
        return now + self._uniform(0, min(FIRST_WITHIN, self._rhythm.every))

    async def _guarded(self, work: Awaitable[None], page: str) -> None:
        """One page's trouble is not another's."""
        try:
            await work
        except (KafkaError, OSError, TimeoutError, runtime_errors.Later) as error:
            log.warning("a page could not be looked at", page=page, error=str(error))
        except Exception:  # a fault of ours: the webhooks go on
            log.exception("a page could not be looked at", page=page)

    async def look(self, channel: Channel) -> None:
        """One look at one page. Raises what the publisher raises."""
        page = await self._ask(channel, f"{channel.page}/subscribed_apps")
        if not await self._token(channel, page):
            return
        app = await self._ask_app(channel, f"{channel.app}/subscriptions")
        await self._webhooks(channel, app, page)
        await self._routing(channel)

    # --- the token

    async def _token(self, channel: Channel, verdict: Verdict) -> bool:
        """Tells about the token; whether there is more to look at."""
        match verdict:
            case Accepted():
                await self._tell(channel.page, "token", "", "The page's token is good.")
                return True
            case Permanent(dead_token=True):
                await self._tell(channel.page, "token", "dead_token", verdict.reason, CONNECT_PAGE)
            case Permanent():
                await self._tell(channel.page, "token", "no_permission", verdict.reason, PERMISSIONS)
            case Later(reason=reason) | Unknown(reason=reason):
                log.info("a page could not be looked at", page=channel.page, why=reason)
            case _:
                pass
        return False

    # --- webhooks

    async def _webhooks(self, channel: Channel, app: Verdict, page: Verdict) -> None:
        if isinstance(app, Permanent):
            await self._tell(channel.page, "webhooks", "app_refused", app.reason, APP_SECRETS)
            return
        if not isinstance(app, Accepted) or not isinstance(page, Accepted):
            return
        subscribed = subscriptions.app_subscription(app.body)
        if subscribed is None or not subscribed.callback:
            await self._missed(channel.page, "The app has no webhooks for pages.")
            reason = "The app has no webhooks for pages: nothing that customers write arrives."
            await self._tell(channel.page, "webhooks", "no_webhooks", reason, CONNECT_WEBHOOKS)
            return
        plan = subscriptions.plan(subscribed, subscriptions.page_fields(page.body, channel.app))
        if plan.complete:
            if self._was_away(channel.page):
                await self._missed(channel.page, "Nobody looked after the page for a while.")
            await self._tell(channel.page, "webhooks", "", "All webhooks come.")
            return
        await self._repair(channel, subscribed.callback, plan)

    async def _repair(self, channel: Channel, callback: str, plan: Plan) -> None:
        code = "unsubscribed" if plan.unsubscribed else "fields_missing"
        missing = ", ".join(sorted(plan.app_missing | plan.page_missing))
        reason = (
            "Facebook had stopped sending webhooks." if plan.unsubscribed else f"Webhooks were not sent for: {missing}."
        )
        metrics.REPAIRS.labels(code).inc()
        log.error("webhooks of a page did not come", page=channel.page, reason=code, why=missing)
        if plan.silent:
            await self._missed(channel.page, reason)
        await self._tell(channel.page, "webhooks", code, reason, CONNECT_PAGE)
        refusal = await self._write(channel, callback, plan)
        if refusal is None:
            await self._tell(channel.page, "webhooks", "", f"{reason} It was repaired.", details={"repaired": missing})
        else:
            steps = CONNECT_WEBHOOKS if plan.write_app is not None else CONNECT_PAGE
            await self._tell(channel.page, "webhooks", "repair_refused", f"{reason} {refusal}", steps)

    async def _write(self, channel: Channel, callback: str, plan: Plan) -> str | None:
        """Why it was not done; None: it was."""
        if plan.write_app is not None:
            body = SubscribeApp(
                callback_url=callback,
                fields=subscriptions.listed(plan.write_app),
                verify_token=channel.verify_token.decode(),
            )
            if (refusal := _refusal(await self._ask_app(channel, f"{channel.app}/subscriptions", body))) is not None:
                return refusal
        if plan.write_page is not None:
            page = SubscribePage(subscribed_fields=subscriptions.listed(plan.write_page))
            return _refusal(await self._ask(channel, f"{channel.page}/subscribed_apps", page))
        return None

    def _was_away(self, page: str) -> bool:
        before = self._reports.status(page, "webhooks")
        return before is not None and before.ok_at is not None and self._now() - before.ok_at > self._rhythm.away

    async def _missed(self, page: str, reason: str) -> None:
        """From when it was last known to be well; a page that never was has missed nothing that is ours.

        Once for each trouble: what is missed while it lasts, the repair demands.
        """
        before = self._reports.status(page, "webhooks")
        if before is not None and before.ok_at is not None and before.code != "no_webhooks":
            await self._demands.demand(page, before.ok_at, reason)

    # --- routing

    async def _routing(self, channel: Channel) -> None:
        told = mode.features(await self._ask(channel, "me", query={"fields": "messaging_feature_status"}))
        asked = await self._ask(channel, "me/secondary_receivers", query={"fields": "id,name"})
        others = mode.receivers(asked)
        owners = await self._owners(channel) if mode.is_undecided(told, others) else []
        found = mode.detect(told, others, owners, app=channel.app, inbox=channel.page_inbox)
        before = self._reports.status(channel.page, "routing")
        if found.code == "default_app_not_told" and _is_decided(before):
            return  # threads tell it only while another app has one; what was seen stands
        await self._reports.tell(
            channel.page,
            "routing",
            found.state,
            code=found.code,
            reason=found.reason,
            steps=found.steps,
            check_in=self._rhythm.every,
            routing=found.routing,
        )

    async def _owners(self, channel: Channel) -> list[Shown]:
        """Owners of some conversations that are not ours: who may read them is the default app."""
        query = {"fields": "participants,is_owner", "limit": str(PROBE_LISTED), "platform": "messenger"}
        listed = await self._ask(channel, f"{channel.page}/conversations", query=query)
        found: list[Shown] = []
        for customer in mode.strangers(listed, channel.page)[:PROBED]:
            shown = mode.owner_shown(await self._ask(channel, "me/thread_owner", query={"recipient": customer}))
            if shown is not None:
                found.append(shown)
        return found

    # --- pages that no bot has

    async def _strangers(self) -> None:
        known = self._channels.known.pages
        for page, fact in list(self._gate.waiting.items()):
            if page in known:
                continue
            before = self._reports.status(page, "webhooks")
            if before is not None and before.code == "unknown_page" and self._now() - before.checked_at < TELL_EVERY:
                continue
            reason = "Webhooks come for this page, and no bot has it: they are kept."
            await self._reports.tell(
                page,
                "webhooks",
                "failing",
                code="unknown_page",
                reason=reason,
                steps=UNKNOWN_PAGE,
                details={"apps": ", ".join(fact.apps)},
            )

    async def _tell(
        self,
        page: str,
        aspect: Aspect,
        code: str,
        reason: str,
        steps: tuple[Step, ...] = (),
        details: Mapping[str, str] | None = None,
    ) -> None:
        """`code` empty: it is well."""
        await self._reports.tell(
            page,
            aspect,
            "failing" if code else "ok",
            code=code,
            reason=reason,
            steps=steps,
            check_in=self._rhythm.every,
            details=details,
        )

    async def _ask(
        self, channel: Channel, path: str, body: Body | None = None, query: Mapping[str, str] | None = None
    ) -> Verdict:
        request = GraphRequest(path, body=body, query=tuple((query or {}).items()))
        return await self._graph.ask(request, channel.page_credentials())

    async def _ask_app(self, channel: Channel, path: str, body: Body | None = None) -> Verdict:
        return await self._graph.ask(GraphRequest(path, body=body), channel.app_credentials())


def _is_decided(before: PageStatus | None) -> bool:
    return before is not None and before.routing is not None and before.routing.default_app in {"ours", "another"}


def _refusal(verdict: Verdict) -> str | None:
    match control(verdict):
        case Accepted():
            return None
        case Later(reason=reason) | Unknown(reason=reason) | Permanent(reason=reason):
            return f"It could not be repaired: {reason}"
        case _:
            return "It could not be repaired."
