"""The story, step by step. Every step is a check: what it says has to be so."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from story.scene import QUIET, Scene
from story.seed import BACK, BOT, PAGE, set_notification
from story.telling import Step

Meet = Callable[[str, str], Awaitable[Scene]]
SLOW_WORD = "take your time"  # the local stack makes the turn of this message slow: a drill
HOUR = timedelta(minutes=60)
AT_ONCE = timedelta(seconds=5)  # between the acts of one gesture
PORT_TEXT = "What else can I do for you?"


async def greeting(step: Step, mia: Scene) -> None:
    await mia.says("hi")
    line = await mia.hears("Mia")
    titles = [reply.title for reply in line.quick_replies]
    step.check("quick replies are offered", "Talk to a person" in titles, titles)


async def handed_over(step: Step, mia: Scene) -> None:
    await mia.picks("Talk to a person")
    goodbye = await mia.hears("A colleague will be with you shortly.")
    titles = [reply.title for reply in goodbye.quick_replies]
    step.check("the goodbye carries the button", titles == ["Back to bot"], titles)
    await mia.rests()
    state = await mia.becomes("human")
    step.check("nobody has taken it up yet", state.waiting and not state.attended, state)
    step.check("the block's expiry counts", is_hour(until(state)), until(state))
    await mail_comes(step, mia)


async def mail_comes(step: Step, scene: Scene) -> None:
    from story.doors import eventually

    async def look() -> int:
        return len(await scene.stage.mail.about(scene.key))

    await eventually("an e-mail about the conversation", look, bool)
    await asyncio.sleep(QUIET)
    step.check("exactly one e-mail", await look() == 1, await look())


async def bot_is_silent(step: Step, mia: Scene) -> None:
    before = len(await mia.bot_lines())
    for text in ("Are you there?", "I would like to change my visit."):
        await mia.says(text)
        entry = await mia.entry("customer_message", text)
        step.check(f"{text!r} is the person's", entry.content["addressed"] == "person", entry.content)
    await says_nothing(step, mia, before)


async def operator_answers(step: Step, mia: Scene) -> None:
    await accepted(step, mia.reply("Hello Mia, this is Ana. Which day suits you?"))
    await mia.hears("this is Ana")
    state = await mia.state()
    step.check("an operator holds it", state.holder is not None and state.attended, state)
    answered = (await mia.entry("message", "this is Ana")).at
    counted = state.deadline - answered if state.deadline else None
    step.check("the default expiry runs: 60 minutes", is_hour(counted), counted)
    await mia.rests()


async def handed_back(step: Step, mia: Scene) -> None:
    before = len(await mia.bot_lines())
    await accepted(step, mia.hand_back(note="Visit moved to Friday."))
    await mia.hears(PORT_TEXT, before)
    texts = [line.text or "" for line in (await mia.bot_lines())[before:]]
    step.check("the Back to Bot Message, then the flow goes on", texts[0].startswith("I am back."), texts)
    step.check("each once", len(texts) == 2, texts)
    await mia.is_not_theirs()
    await mia.becomes("bot")


async def nobody_answers(step: Step, jonas: Scene) -> None:
    await jonas.says("Is anybody free?")
    await jonas.hears("Let me see whether somebody is free")
    await jonas.entry("takeover_started")
    before = len(await jonas.bot_lines())
    await jonas.becomes("bot", within=20)
    step.check("the expiry was silent", len(await jonas.bot_lines()) == before)
    await jonas.says("Hello?")
    await jonas.hears(PORT_TEXT, before)
    step.check("the bot answered once", len(await jonas.bot_lines()) == before + 1, await jonas.bot_lines())
    await jonas.is_not_theirs()


async def customer_returns(step: Step, lea: Scene) -> None:
    await lea.says("I want to talk to a person")
    await lea.hears("A colleague will be with you shortly.")
    await lea.becomes("human")
    before = len(await lea.bot_lines())
    await lea.picks("Back to bot")
    await lea.hears(PORT_TEXT, before)
    texts = [line.text or "" for line in (await lea.bot_lines())[before:]]
    back = [text for text in texts if text.startswith("I am back.")]
    step.check("the Back to Bot Message arrives once", len(back) == 1, texts)
    ended = await lea.entry("takeover_ended")
    step.check("the operator sees that the customer returned", ended.content["cause"] == "customer", ended.content)
    await lea.is_not_theirs()
    await lea.becomes("bot")


async def staff_take_it(step: Step, tomasz: Scene) -> None:
    await tomasz.says("hello")
    await tomasz.hears("Tomasz")
    await tomasz.staff("reply", "Hi, this is the salon's front desk.")
    state = await tomasz.becomes("human")
    step.check("staff in the Page Inbox have it", (state.venue, state.cause) == ("page_inbox", "page_inbox"), state)
    before = len(await tomasz.bot_lines())
    await tomasz.says("Thank you!")
    await tomasz.entry("customer_message", "Thank you!")
    await says_nothing(step, tomasz, before)
    if tomasz.stage.regime.receiver:
        await tomasz.staff("move_to_done")
    if not tomasz.stage.regime.receiver or tomasz.stage.regime.name == "zero_config":
        await accepted(step, tomasz.hand_back())  # there is no Done, or nobody is told of it
    await tomasz.becomes("bot")
    await tomasz.hears(BACK, before)
    before = len(await tomasz.bot_lines())
    await tomasz.says("menu")
    await tomasz.hears("How can I help?", before)


async def turn_in_flight(step: Step, anouk: Scene) -> None:
    await anouk.says("hello")
    await anouk.hears("Anouk")
    before = len(await anouk.bot_lines())
    await anouk.says(SLOW_WORD)
    await anouk.entry("customer_message", SLOW_WORD)
    await accepted(step, anouk.take_over())
    stopped = await anouk.entry("answer_suppressed")
    texts = [message["text"] for message in stopped.content["messages"]]
    step.check("what the bot was about to say is in the timeline", bool(texts and texts[0]), stopped.content)
    await says_nothing(step, anouk, before)
    await accepted(step, anouk.hand_back())


async def session_runs_out(step: Step, sofia: Scene) -> None:
    await sofia.says("hello")
    await sofia.hears("Sofía")
    await accepted(step, sofia.take_over(expiry=8))
    await accepted(step, sofia.reply("Hello Sofía, Ana here."))
    await sofia.hears("Ana here.")
    before = len(await sofia.bot_lines())
    await sofia.becomes("bot", within=20)
    step.check("it ran out in silence", len(await sofia.bot_lines()) == before)
    await sofia.says("menu")
    await sofia.hears("How can I help?", before)
    await accepted(step, sofia.take_over())
    await accepted(step, sofia.reply("Ana again."))
    written = (await sofia.entry("message", "Ana again.")).at
    state = await sofia.state()
    counted = state.deadline - written if state.deadline else None
    step.check("untouched, the deadline is 60 minutes after the first answer", is_hour(counted), counted)
    await accepted(step, sofia.hand_back())


async def only_the_switch(step: Step, karim: Scene) -> None:
    await karim.says("I have a complaint")
    await karim.hears("The manager will answer you here.")
    state = await karim.becomes("human")
    step.check("no deadline", state.deadline is None, state.deadline)
    before = len(await karim.bot_lines())
    await karim.says("Back to bot")
    await karim.entry("customer_message", "Back to bot")
    await says_nothing(step, karim, before)
    step.check("no e-mail", not await karim.stage.mail.about(karim.key))
    await accepted(step, karim.hand_back())
    await karim.hears("The manager has handed you back to me.", before)


async def notification_off(step: Step, yuki: Scene) -> None:
    await set_notification(yuki.stage.console, BOT, PAGE, on=False)
    try:
        await asyncio.sleep(QUIET)  # the settings reach every service by the topic `bots`
        await yuki.says("I need a person")
        await yuki.hears("A colleague will be with you shortly.")
        await yuki.becomes("human")
        await accepted(step, yuki.reply("Hello, Ana here."))
        await yuki.hears("Ana here.")
        before = len(await yuki.bot_lines())
        await accepted(step, yuki.hand_back())
        await yuki.hears(PORT_TEXT, before)
        moves = len(await yuki.stage.facebook.thread_changes(PAGE, yuki.psid))
        step.check("control was never passed", moves <= 1, f"{moves} thread-control changes")
    finally:
        await set_notification(yuki.stage.console, BOT, PAGE, on=True)


async def moved_to_main(step: Step, ben: Scene) -> None:
    await ben.says("hello")
    await ben.hears("Ben")
    before = len(await ben.bot_lines())
    if ben.stage.regime.receiver and ben.stage.regime.name != "zero_config":
        await ben.staff("move_to_main")
        await ben.is_theirs()
    else:  # everything is in Main, or nobody is told of a move: staff take over by replying
        await ben.staff("reply", "Hello, this is the front desk.")
    state = await ben.becomes("human")
    step.check("the expiry counts", is_hour(until(state)), until(state))
    await ben.says("Is somebody reading this?")
    await ben.entry("customer_message", "Is somebody reading")
    await says_nothing(step, ben, before)


async def staff_go_on(step: Step, ben: Scene) -> None:
    epoch = (await ben.state()).epoch
    await accepted(step, ben.set_expiry(2))
    await ben.becomes("bot", epoch_above=epoch)
    if ben.stage.regime.way_back:
        await ben.is_not_theirs()
    elif ben.stage.regime.receiver:
        await ben.told_why()
    before = len(await ben.bot_lines())
    await ben.staff("reply", "Sorry for the wait, I am here now.")
    state = await ben.becomes("human", epoch_above=epoch + 1)
    step.check("a new session runs", is_hour(until(state)), until(state))
    await ben.says("No problem")
    await ben.entry("customer_message", "No problem")
    await says_nothing(step, ben, before)


def is_hour(span: timedelta | None) -> bool:
    return span is not None and HOUR <= span < HOUR + AT_ONCE


def until(state: object) -> timedelta | None:
    deadline, since = getattr(state, "deadline", None), getattr(state, "since", None)
    return deadline - since if deadline and since else None


async def accepted(step: Step, command: Awaitable[object]) -> None:
    outcome = await command
    step.check("the command is accepted", getattr(outcome, "status", "") == "accepted", outcome)


async def says_nothing(step: Step, scene: Scene, before: int) -> None:
    await asyncio.sleep(QUIET)
    now = await scene.bot_lines()
    step.check("the bot is silent", len(now) == before, [line.text for line in now[before:]])
