"""Plays the story and tells it. `build/story.json` holds the same for machines."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from aiohttp import ClientError
from pydantic import ValidationError

from story import steps
from story.doors import Console, Facebook, MailCatcher, Missing, Refused
from story.scene import Scene, Stage
from story.seed import PAGE, Login, Places, Say
from story.telling import Report, Step, lines

Act = Callable[[Step, Scene], Awaitable[None]]


class Part(NamedTuple):
    """Steps of one customer; different customers' parts do not touch each other."""

    first_name: str
    last_name: str
    acts: tuple[tuple[int, str, Act], ...]


PARTS = (
    Part(
        "Mia",
        "Winter",
        (
            (1, "Mia writes; the bot greets her by name and offers quick replies", steps.greeting),
            (2, "She asks for a person: goodbye, Main, one e-mail", steps.handed_over),
            (3, "She writes twice; the bot is silent, nothing is lost", steps.bot_is_silent),
            (4, "The operator answers; the default expiry starts", steps.operator_answers),
            (5, "The operator hands back; the flow goes on", steps.handed_back),
        ),
    ),
    Part("Jonas", "Okafor", ((6, "Nobody answers Jonas; after the expiry the bot does", steps.nobody_answers),)),
    Part("Lea", "Müller", ((7, "Lea clicks Back to bot", steps.customer_returns),)),
    Part("Tomasz", "Łukaszewski", ((8, "Staff reply in the Page Inbox; Move to Done returns", steps.staff_take_it),)),
    Part("Anouk", "de Vries", ((9, "A turn is in flight when an operator takes over", steps.turn_in_flight),)),
    Part("Sofía", "Núñez", ((10, "A session of some seconds runs out in silence", steps.session_runs_out),)),
    Part(
        "كريم", "حداد", ((11, "No auto return, no mail: only the switch brings the bot back", steps.only_the_switch),)
    ),
    Part(
        "Ben",
        "Carter",
        (
            (13, "Staff press Move to Main and write nothing", steps.moved_to_main),
            (14, "After an expiry staff go on in the Page Inbox", steps.staff_go_on),
        ),
    ),
)
ALONE = Part(
    "由紀", "田中", ((12, "Messenger Inbox notification off: control is never passed", steps.notification_off),)
)


async def play(places: Places, login: Login, *, say: Say, report: Path) -> bool:
    """Plays every step, says each as it goes and writes `report`. Whether all went as told."""
    if places.facebook is None or places.mail is None:
        raise ValueError("the story needs Facebook in a box and the mail catcher")
    began = time.monotonic()
    async with Console(places.console) as console, Facebook(places.facebook) as box, MailCatcher(places.mail) as mail:
        await console.sign_in(login.email, login.password)
        stage = Stage(console, box, mail)
        played = await tell_all(stage, say)
    ok = all(step.ok for step in played)
    result = Report(ok=ok, seconds=time.monotonic() - began, steps=played)
    await asyncio.to_thread(write, report, result)
    good = sum(step.ok for step in played)
    say(f"{good} of {len(played)} steps as told, in {result.seconds:.0f} s. The same for machines: {report}")
    return ok


async def tell_all(stage: Stage, say: Say) -> list[Step]:
    """All customers at once; told in the order of the steps, each as soon as it and those before it are played."""
    together = {part: asyncio.ensure_future(perform(stage, part)) for part in PARTS}
    playing = {**together, ALONE: asyncio.ensure_future(last(stage, list(together.values())))}
    played: list[Step] = []
    try:
        for part in sorted(playing, key=lambda part: part.acts[0][0]):
            for step in await playing[part]:
                played.append(step)
                for line in lines(step):
                    say(line)
    finally:
        for act_under_way in playing.values():  # a story that is broken off leaves nobody waiting
            act_under_way.cancel()
        await asyncio.gather(*playing.values(), return_exceptions=True)
    return played


async def last(stage: Stage, others: Sequence[asyncio.Future[list[Step]]]) -> list[Step]:
    """It changes a setting of the whole page: after the others."""
    await asyncio.wait(others)
    return await perform(stage, ALONE)


def write(report: Path, result: Report) -> None:
    report.write_text(result.model_dump_json(indent=2) + "\n", "utf-8")


async def perform(stage: Stage, part: Part) -> list[Step]:
    psid = await stage.facebook.meet(PAGE, part.first_name, part.last_name)
    scene = Scene(stage, psid, part.first_name)
    return [await act(scene, number, title, what) for number, title, what in part.acts]


async def act(scene: Scene, number: int, title: str, what: Act) -> Step:
    step = Step(step=number, title=title)
    began = time.monotonic()
    try:
        await what(step, scene)
    except (Missing, Refused, LookupError, ClientError, TimeoutError, ValidationError) as error:
        step.check(type(error).__name__.lower(), ok=False, detail=error)
    step.seconds = time.monotonic() - began
    await scene.tell(step)
    return step
