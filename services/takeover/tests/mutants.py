"""The rules, wrong on purpose: each mutant is a patch of the source, and the law that it breaks.

Where a patch does not apply any more, the rules have changed: write the mutant anew.
"""

import sys
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

import takeover

SOURCE: Final = Path(takeover.__file__).parent
File = Literal["decide", "step"]


class DoesNotApply(Exception):
    """The text that a mutant changes is not in the source, or more than once."""


@dataclass(frozen=True)
class Mutant:
    """`before` stands once in the module's source, and becomes `after`."""

    name: str
    law: int
    file: File
    before: str
    after: str

    def rules(self) -> ModuleType:
        """`takeover.decide` with the patch, on a `takeover.step` of its own; the real ones stay as they are."""
        patched = {name: (SOURCE / f"{name}.py").read_text(encoding="utf-8") for name in ("step", "decide")}
        source = patched[self.file]
        if source.count(self.before) != 1:
            raise DoesNotApply(f"{self.name}: {source.count(self.before)} times in {self.file}.py: {self.before}")
        patched[self.file] = source.replace(self.before, self.after)
        real = sys.modules["takeover.step"]
        try:
            sys.modules["takeover.step"] = _module("step", patched["step"])
            return _module("decide", patched["decide"])
        finally:
            sys.modules["takeover.step"] = real


def _module(name: str, source: str) -> ModuleType:
    spec = spec_from_loader(f"takeover.{name}", loader=None)
    assert spec is not None
    module = module_from_spec(spec)
    exec(compile(source, str(SOURCE / f"{name}.py"), "exec"), module.__dict__)  # noqa: S102 - our own source
    return module


MUTANTS: Final = (
    Mutant(
        "an answer counts though a person has taken over",
        1,
        "step",
        'return state.owner == "bot" and state.turn is not None and state.turn.id == turn and epoch == state.epoch',
        "return state.turn is not None or epoch < state.epoch",
    ),
    Mutant(
        "an answer counts by its epoch, whichever turn it is of",
        1,
        "step",
        "state.turn is not None and state.turn.id == turn and epoch == state.epoch",
        "state.turn is not None and epoch == state.epoch",
    ),
    Mutant(
        "the outstanding turn survives a takeover",
        1,
        "step",
        "state.turn, state.queue, state.delay, state.resume = None, (), None, None",
        "state.queue, state.delay, state.resume = (), None, None",
    ),
    Mutant(
        "nobody silences the bot when staff take over",
        1,
        "step",
        "if cause in PEOPLE:\n            self.command(Silence)",
        "if cause is Cause.OPERATOR:\n            self.command(Silence)",
    ),
    Mutant(
        "the goodbye comes after the episode's beginning",
        1,
        "decide",
        "    step.say_goodbye(event.block, event.turn)\n    step.begin(Cause.FLOW, block=event.block)\n",
        "    step.begin(Cause.FLOW, block=event.block)\n    step.say_goodbye(event.block, event.turn)\n",
    ),
    Mutant(
        "what waited for the bot is forgotten when a person takes over",
        2,
        "step",
        "taken = tuple(sorted(_unanswered(state)))",
        "taken = ()",
    ),
    Mutant(
        "what waited is a person's and still the bot's",
        2,
        "step",
        "state.turn, state.queue, state.delay, state.resume = None, (), None, None",
        "state.turn, state.delay, state.resume = None, None, None",
    ),
    Mutant(
        "no turn is asked for what came while one was out",
        2,
        "decide",
        "    step.finish_turn(event)\n    step.next_turn()\n",
        "    step.finish_turn(event)\n",
    ),
    Mutant(
        "what waits for the thread's owner is lost when the episode ends",
        2,
        "decide",
        '    """The episode ended otherwise: what waited for the thread\'s owner is the bot\'s, in its order."""\n',
        "    step.state.held = () if step.state.owner == 'bot' else step.state.held\n",
    ),
    Mutant(
        "a suppressed answer is not recorded",
        2,
        "decide",
        "def turn_completed(step: Step, event: TurnCompleted) -> None:\n"
        "    if not step.is_outstanding(event.turn, event.epoch):\n        step.suppress(event)\n",
        "def turn_completed(step: Step, event: TurnCompleted) -> None:\n"
        "    if not step.is_outstanding(event.turn, event.epoch):\n",
    ),
    Mutant(
        "an end does not raise the epoch",
        3,
        "step",
        'state.epoch += 1\n        state.owner = "bot"\n',
        'state.owner = "bot"\n',
    ),
    Mutant(
        "staff begin an episode within an episode",
        3,
        "decide",
        'if step.state.owner == "bot":\n        step.begin(Cause.PAGE_INBOX, venue="page_inbox")',
        'if step.state.owner == "bot" or not message:\n        step.begin(Cause.PAGE_INBOX, venue="page_inbox")',
    ),
    Mutant(
        "the owner stays the bot when a fault brings a person",
        3,
        "step",
        'state.owner = "human"\n',
        'state.owner = "bot" if cause is Cause.FAULT else "human"\n',
    ),
    Mutant(
        "a timer counts though its deadline was replaced",
        4,
        "decide",
        "event.epoch == step.state.epoch and event.deadline == episode.deadline",
        "event.epoch == step.state.epoch",
    ),
    Mutant(
        "a timer of an earlier episode counts",
        4,
        "decide",
        "event.epoch == step.state.epoch and event.deadline == episode.deadline",
        "event.epoch <= step.state.epoch",
    ),
    Mutant(
        "a due deadline waits for its timer",
        4,
        "step",
        "episode.deadline is not None and self.at >= episode.deadline",
        "episode.deadline is not None and self.at < episode.started_at",
    ),
    Mutant(
        "receipts take the short way past a due deadline",
        4,
        "decide",
        "if state.held or (deadline is not None and deadline <= state.later(at)):",
        "if state.held:",
    ),
    Mutant(
        "a first message does not begin the default expiry anew",
        4,
        "step",
        "(message and (episode.every_response or episode.answered_at is None))",
        "(message and episode.every_response)",
    ),
    Mutant(
        "a reply replaces the time that an operator set",
        4,
        "step",
        "            return message and episode.every_response\n",
        "            return message\n",
    ),
    Mutant(
        "an assignment begins the expiry anew",
        4,
        "step",
        "held_since=self.at if person else None)\n            self.tell(TakeoverChanged",
        "held_since=self.at, deadline=self._default_deadline())\n            self.tell(TakeoverChanged",
    ),
    Mutant(
        "the thread is not taken back at the end",
        5,
        "step",
        "        self.take_back()\n",
        "",
    ),
    Mutant(
        "the thread is taken back after the bot spoke",
        5,
        "step",
        "        self.take_back()\n        text = episode.block.back_to_bot_message if episode.block else "
        "self.settings.takeover.back_to_bot_message\n",
        "        text = episode.block.back_to_bot_message if episode.block else "
        "self.settings.takeover.back_to_bot_message\n"
        "        self.say([OutMessage(text=text or 'x')] if cause is not Cause.EXPIRED else [])\n"
        "        self.take_back()\n",
    ),
    Mutant(
        "nobody is told why it stays elsewhere",
        5,
        "step",
        "        elif known:  # told is the mirror",
        "        elif known and owner is None:  # told is the mirror",
    ),
    Mutant(
        "a thread is passed away without a way back",
        5,
        "step",
        "self.channel.messenger_inbox_notification and self.channel.has_default_app)",
        "self.channel.messenger_inbox_notification)",
    ),
    Mutant(
        "nobody looks at the thread of a takeover that lasts",
        5,
        "step",
        "        self.watch_thread()\n        if cause in PEOPLE:\n",
        "        if cause in PEOPLE:\n",
    ),
    Mutant(
        "the thread of a takeover that lasts is looked at once",
        5,
        "step",
        "        self.watch_thread()\n        if extends:\n",
        "        if extends:\n",
    ),
    Mutant(
        "a message that went alone counts as having passed the thread on",
        5,
        "decide",
        "    if event.passed:  # else",
        "    if True:  # else",
    ),
    Mutant(
        "a take that was refused counts as under way for ever",
        5,
        "decide",
        "    step.report_done(event.command)\n    thread = step.state.thread\n    word",
        "    thread = step.state.thread\n    word",
    ),
    Mutant(
        "two records of one decision share an id",
        6,
        "step",
        "        self.state.count += 1\n        return",
        "        self.state.count += 1 - len(self.effects) // 3\n        return",
    ),
    Mutant(
        "a decision changes the row that it began with",
        6,
        "step",
        "self.state = state.moved_to(at)",
        "self.state = state",
    ),
    Mutant(
        "an operator's command is refused and takes effect all the same",
        6,
        "decide",
        '        refuse(step, event, "already_bot", "The bot has this conversation already.")\n',
        '        refuse(step, event, "already_bot", "The bot has this conversation already.")\n        accept(step, event)\n',
    ),
)
