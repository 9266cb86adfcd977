"""The story on every kind of page, and with every fault of Facebook in a box: one running stack, a page for each.

`build/regimes.json` holds the same for machines.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, SecretStr

from story.channel_file import ChannelFile
from story.doors import Console, Facebook, MailCatcher, Refused, eventually
from story.play import PARTS, Part, act
from story.regime import DEMONSTRATION, Regime
from story.scene import QUIET, Scene, Stage
from story.seed import APP, BOT, Login, Places, Say, connect
from story.telling import Step, lines

__all__ = ["Refused", "play"]

FIRST_PAGE: Final = 204_821_769_030_000
AT_ONCE: Final = 20  # customers with whom something happens at the same time
FOLDED: Final = 20.0  # seconds until what Facebook was told is in the transcript too
NAMES: Final = ("routing", "routing_no_take", "roles", "zero_config")
REGIMES: Final = tuple(
    Regime(name, on, receiver) for name in NAMES for on in (True, False) for receiver in (True, False)
)
MIA: Final = PARTS[0]
EVERYWHERE: Final = tuple(part for part in PARTS if part.first_name != "Anouk")  # a slow turn holds up its partition
TOMASZ: Final = next(part for part in PARTS if part.first_name == "Tomasz")


@dataclass(frozen=True, slots=True)
class Fault:
    """`switches`: of Facebook in a box, for the page.

    `when` they are on: `always`; set anew before `each` step, for some count down; before the `second` alone. `off_after`:
    seconds after which they are switched off again in such a step. `mended`: the admin connects the page again then.
    """

    name: str
    switches: Mapping[str, object]
    when: Literal["always", "each", "second"] = "always"
    off_after: float | None = None
    mended: bool = False
    parts: tuple[Part, ...] = (MIA, TOMASZ)
    regime: Regime = DEMONSTRATION


SENDS: Final = {"only": ["messages"]}
ORDERED: Final = {"only": ["messages", "pass_thread_control", "take_thread_control"]}
CONTROLS: Final = {"only": ["pass_thread_control", "take_thread_control"]}
FAULTS: Final = (
    Fault("two calls answered HTTP 500", {"fail_5xx": 2, **ORDERED}, "each"),
    Fault("a send done and answered HTTP 500", {"fail_after_accept": 1, **SENDS}, "each"),
    Fault("a take done and answered HTTP 500", {"fail_after_accept": 1, **CONTROLS}, "each"),
    Fault("the answer of a send lost", {"lose_answers": 1, **SENDS}, "each"),
    Fault("the answer of a take lost", {"lose_answers": 1, **CONTROLS}, "each"),
    Fault("answers late", {"delay_answers_s": 0.7}),
    Fault("called too often", {"rate_limit": 1, "regain_access_min": 0, **SENDS}, "second", parts=(MIA,)),
    Fault("an error of one's choice", {"error": {"code": 1200, "times": 1}, **SENDS}, "each"),
    Fault("the token refused", {"refuse_token": True}, "second", off_after=2.0, mended=True, parts=(MIA,)),
    Fault("echoes before answers", {"echo_first": True}),
    Fault("every webhook twice", {"redeliver": True}),
    Fault("webhooks held up", {"hold_webhooks": True}, "each", off_after=1.5),
    Fault("webhooks late", {"delay_webhooks_s": 0.4}),
    Fault("webhooks in batches", {"delay_webhooks_s": 0.2, "batch": 20}),
    Fault("batches of several pages", {"delay_webhooks_s": 0.2, "batch": 20, "mix_pages": True}),
    Fault("a message on both channels", {"both_channels": True}),
    # what Facebook does not tell nobody can know: so here the conversation stays with us
    Fault("nothing on standby", {"standby_off": True}, regime=Regime(notification=False), parts=(MIA,)),
)


class Row(BaseModel):
    """A line of the table. `note`: what is different on such a page, in the product's words."""

    page: str
    regime: str
    notification: str
    receiver: str
    fault: str = ""
    note: str = ""
    ok: bool = True
    seconds: float = 0.0
    steps: list[Step] = []


class Report(BaseModel):
    ok: bool
    seconds: float
    rows: list[Row]


@dataclass(slots=True)
class Show:
    """One page with its story."""

    regime: Regime
    page: str
    parts: Sequence[Part]
    fault: Fault | None = None
    row: Row = field(init=False)

    def __post_init__(self) -> None:
        wished = "on" if self.regime.notification else "off"
        self.row = Row(
            page=self.page,
            regime=self.regime.text,
            notification=wished if self.regime.notifies == self.regime.notification else "refused",
            receiver="yes" if self.regime.receiver else "no",
            fault=self.fault.name if self.fault else "",
        )

    def token(self, login: Login) -> str:
        """The page's own."""
        return f"{login.page_token}-{self.page}"


def shows(regimes: Sequence[Regime], faults: Sequence[Fault], parts: Sequence[Part] = EVERYWHERE) -> list[Show]:
    pages = [str(FIRST_PAGE + number) for number in range(len(regimes) + len(faults))]
    plain = [Show(regime, page, parts) for regime, page in zip(regimes, pages, strict=False)]
    faulty = [
        Show(fault.regime, page, fault.parts, fault) for fault, page in zip(faults, pages[len(regimes) :], strict=True)
    ]
    return plain + faulty


async def play(places: Places, login: Login, *, say: Say, report: Path) -> bool:
    """As `story.play.play`, on a page for each regime and each fault."""
    return await tell(places, login, shows(REGIMES, FAULTS), say=say, report=report)


async def tell(places: Places, login: Login, playing: Sequence[Show], *, say: Say, report: Path) -> bool:
    """Plays them all at once, says the table and writes `report`. Whether all went as told."""
    if places.facebook is None or places.mail is None:
        raise ValueError("the story needs Facebook in a box and the mail catcher")
    began = time.monotonic()
    async with Console(places.console) as console, Facebook(places.facebook) as box, MailCatcher(places.mail) as mail:
        await console.sign_in(login.email, login.password)
        for show in playing:
            await prepare(console, box, login, show)
        await asyncio.sleep(QUIET)  # the settings reach every service by the topic `bots`
        room = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(
            *(perform(Stage(console, box, mail, show.page, show.regime), login, show, room) for show in playing)
        )
    result = Report(
        ok=all(show.row.ok for show in playing), seconds=time.monotonic() - began, rows=[s.row for s in playing]
    )
    await asyncio.to_thread(report.write_text, result.model_dump_json(indent=2) + "\n", "utf-8")
    for line in table(result):
        say(line)
    return result.ok


# --- a page of each kind


async def prepare(console: Console, box: Facebook, login: Login, show: Show) -> None:
    page = {"name": f"Salon Mira {show.page[-2:]}", "tokens": {APP: show.token(login)}}
    await box.ask("PUT", f"/box/pages/{show.page}", page)
    rules = {"regime": show.regime.name, "app": APP, "inbox_is_receiver": show.regime.receiver}
    await box.ask("PUT", f"/box/pages/{show.page}/regime", rules)
    await connect_page(console, login, show)
    await configure(console, show)


async def connect_page(console: Console, login: Login, show: Show) -> None:
    channel = ChannelFile(
        page_id=show.page,
        page_name=f"Salon Mira {show.page[-2:]}",
        app_id=APP,
        app_secret=SecretStr(login.app_secret),
        verify_token=SecretStr(login.verify_token),
        page_token=SecretStr(show.token(login)),
    )
    await connect(console, channel)


async def configure(console: Console, show: Show) -> None:
    """*Publishing Configuration*. Where there is no way back the notification is refused, with the reason."""
    path, regime = f"/bots/{BOT}/publishing/messenger/{show.page}", show.regime
    configuration = (await console.ask("GET", path))["configuration"]
    wished = {"has_default_app": regime.way_back, "messenger_inbox_notification": regime.notification}
    try:
        await console.ask("PUT", path, {**configuration, **wished}, **{"If-Match": "*"})
    except Refused as refused:
        if regime.way_back or "messenger_inbox_notification" not in refused.body:
            raise
        show.row.note = "cannot be switched on, and it is told why: runs as Main only"
        wished["messenger_inbox_notification"] = False
        await console.ask("PUT", path, {**configuration, **wished}, **{"If-Match": "*"})
    else:
        show.row.ok = regime.notification == regime.notifies  # else it ought to have been refused
    if regime.notifies and not regime.receiver:
        show.row.note = "the takeover works, the pass fails"


# --- its story


async def perform(stage: Stage, login: Login, show: Show, room: asyncio.Semaphore) -> None:
    began = time.monotonic()
    fault = show.fault
    if fault is not None and fault.when == "always":
        await switch(stage, fault.switches)
    # what counts down is one customer's: another one's calls would use it up
    alone = asyncio.Semaphore(len(show.parts) if fault is None or fault.when == "always" else 1)
    played = await asyncio.gather(*(performed(stage, login, part, show, room, alone) for part in show.parts))
    show.row.steps = [step for steps in played for step in steps]
    show.row.ok = show.row.ok and all(step.ok for step in show.row.steps)
    show.row.seconds = time.monotonic() - began


async def performed(
    stage: Stage, login: Login, part: Part, show: Show, room: asyncio.Semaphore, alone: asyncio.Semaphore
) -> list[Step]:
    async with alone, room:
        psid = await stage.facebook.meet(show.page, part.first_name, part.last_name)
        scene = Scene(stage, psid, part.first_name)
        steps = []
        for place, (number, title, what) in enumerate(part.acts):
            async with asyncio.TaskGroup() as group:
                if show.fault is not None and is_on(show.fault, place):
                    await switch(stage, show.fault.switches)
                    if show.fault.off_after is not None:
                        group.create_task(over(stage, login, show, show.fault.off_after))
                steps.append(await act(scene, number, title, what))
        if show.fault is not None and show.fault.when != "always":
            await switch(stage, {})
        number, title, _ = part.acts[-1]
        steps.append(await act(scene, number, f"{title}: one voice, nothing lost, nothing twice", agree))
        return steps


def is_on(fault: Fault, place: int) -> bool:
    """Whether it is switched on before the step at this place of a part, from 0."""
    return fault.when == "each" or (fault.when == "second" and place == 1)


async def switch(stage: Stage, switches: Mapping[str, object]) -> None:
    await stage.facebook.ask("PUT", f"/box/faults?page={stage.page}", dict(switches))


async def over(stage: Stage, login: Login, show: Show, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await switch(stage, {})
    if show.fault is not None and show.fault.mended:
        await connect_page(stage.console, login, show)


async def agree(step: Step, scene: Scene) -> None:
    """What was said at Facebook is what the transcript tells, in its order, each once; the bot spoke only while it had it."""
    for side, kind in (("customer", "customer_message"), ("app", "message"), ("inbox", "staff_message")):
        said, told = await eventually(
            f"the {side}'s words are in the transcript",
            _both(scene, side, kind),
            lambda both: both[0] == both[1],
            FOLDED,
        )
        step.check(f"the {side}'s words, in their order, each once", said == told, (said, told))
    owner = "bot"
    for entry in await scene.stage.console.entries(scene.key):
        if entry.kind in {"takeover_started", "takeover_ended"}:
            step.check("takeovers follow each other", (owner == "bot") == (entry.kind == "takeover_started"), entry)
            owner = "human" if entry.kind == "takeover_started" else "bot"
        elif entry.kind == "message" and entry.speaker == "bot":
            step.check("the bot speaks only while it has the conversation", owner == "bot", entry.text)
    changes = await scene.stage.facebook.thread_changes(scene.stage.page, scene.psid)
    ours = [change for change in changes if change.by == APP]
    granted = [change for change in changes if change.action == "request"]
    step.check("control is never asked for, only taken", all(change.action != "request" for change in ours), ours)
    passes = [change for change in ours if change.action == "pass"]
    step.check(
        "it is passed where it rests in Main, or was asked for",
        bool(granted) or scene.stage.regime.rests_in_main or not passes,
        passes,
    )
    state = await scene.state()
    step.check("no takeover was lost", state.owner == owner, (state.owner, owner))


def _both(scene: Scene, side: str, kind: str) -> Callable[[], Awaitable[tuple[list[str], list[str]]]]:
    async def look() -> tuple[list[str], list[str]]:
        said = [line.text or "" for line in (await scene.chat()).lines if line.side == side]
        entries = [entry for entry in await scene.stage.console.entries(scene.key) if entry.kind == kind]
        told = [
            entry.text for entry in entries if kind != "message" or (entry.delivery and entry.delivery.state == "sent")
        ]
        return said, told

    return look


# --- the table


def table(report: Report) -> list[str]:
    told = [f"{'page':<26} {'notification':<12} {'receiver':<8} {'steps':>7} {'s':>5}  what is different"]
    for row in report.rows:
        good = sum(step.ok for step in row.steps)
        told.append(
            f"{row.regime:<26} {row.notification:<12} {row.receiver:<8} {good:>3}/{len(row.steps):<3} {row.seconds:>5.0f}"
            f"  {row.fault or row.note}{'' if row.ok else '   FAILED'}"
        )
    for row in report.rows:
        for step in row.steps:
            if not step.ok:
                told += [f"--- {row.regime}, notification {row.notification}, {row.fault or row.note}", *lines(step)]
    good = sum(row.ok for row in report.rows)
    return [*told, f"{good} of {len(report.rows)} pages as told, in {report.seconds:.0f} s."]
