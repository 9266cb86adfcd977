"""Every order in which a small cast of writers can write into the log of one conversation, to a depth.

Each writer has a script, and writes its moves in their order; between two of its moves anything of the others' may lie. All moves
of one moment have the same log time; only the clock's moves make it later. Nodes that differ in nothing that a later decision can
see are one: the laws are laws of a step, so each step from such a node is checked once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from laws import Rules, folded
from takeover_world import ANA, APP, BEN, INBOX, MIA, START, block, bot_settings

from schemas.base import ConversationEvent
from schemas.bots import BotSettings, TakeoverSettings
from schemas.commands import PassThread, ReadThread, SendMessage, TakeThread
from schemas.conversations import (
    ChannelFact,
    CustomerMessage,
    Echo,
    MessageRefused,
    MessageSent,
    OperatorAssigns,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
    TakeoverRequested,
    ThreadControl,
    ThreadMoved,
    ThreadOwnerRead,
    TurnCompleted,
)
from schemas.handover import back_payload
from schemas.messages import CustomerInput, OutMessage, Profile
from schemas.sessions import Session
from schemas.turns import TurnAsked
from takeover.decide import first_contact
from takeover.state import Conversation
from takeover.timers import timers

SETTINGS: Final = bot_settings(takeover=TakeoverSettings(default_session_expiry=600, back_to_bot_message="Bot again."))
REPORTED: Final = (SendMessage, PassThread, TakeThread, ReadThread)
Seen = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """The conversation, how far each writer is, and what each of them knows."""

    state: Conversation
    places: tuple[int, ...]
    now: datetime = START
    asked: tuple[tuple[str, int], ...] = ()
    """Turns that the engine has not ended, in their order: (id, epoch). Void ones too: it does not know."""
    commands: tuple[Any, ...] = ()
    """What the channel has not reported, in its order."""
    seen: tuple[Seen, Seen] = ((0, 0), (0, 0))
    """Epoch and entry that each operator's page showed after their last move."""
    timer: ConversationEvent | None = None
    """The expiry that the timers took out of their table, and have not written yet."""

    def key(self) -> bytes:
        """The same for nodes that no later decision tells apart: ids count up, so they are numbered anew."""
        state = self.state.copy()
        state.count, state.last_at = 0, None
        commands = [(type(each).__name__, each.id, each.epoch) for each in self.commands]
        timer = self.timer.model_dump_json() if self.timer else ""
        text = f"{state.to_json()}{self.asked}{commands}{timer}"
        names: dict[str, str] = {}
        text = re.sub(r"!\d+", lambda found: names.setdefault(found[0], f"!{len(names)}"), text)
        return blake2b(f"{self.places}{self.now}{self.seen}{text}".encode(), digest_size=16).digest()


Move = Callable[[Node, dict[str, Any]], ConversationEvent | None]
"""What a writer writes; None: it has nothing to write yet. `common`: id, conversation, the source's time."""


# --- the moves


def says(text: str, channel: str = "messaging") -> Move:
    return lambda node, common: CustomerMessage(**common, channel=channel, input=CustomerInput(text=text))


def clicks_back(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    """The button that was shown last, whether its episode runs or not."""
    epoch = node.state.epoch if node.state.owner == "human" else node.state.epoch - 1
    if epoch < 1:
        return None
    clicked = CustomerInput(kind="quick_reply", text="Back to bot", payload=back_payload(f"{MIA}/{epoch}"))
    return CustomerMessage(**common, input=clicked)


def answers(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    if not node.asked:
        return None
    turn, epoch = node.asked[0]
    session = Session(flow="salon@1", at="menu", waits_for="input")
    return TurnCompleted(**common, turn=turn, epoch=epoch, messages=(OutMessage(text="bot"),), session=session)


def asks_person(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    if not node.asked:
        return None
    turn, epoch = node.asked[0]
    session = Session(flow="salon@1", at="ask-person", waits_for="person")
    return TakeoverRequested(**common, turn=turn, epoch=epoch, session=session, block=block(auto_return=60))


def takes_over(who: int, *, force: bool = False) -> Move:
    return lambda node, common: OperatorTakesOver(
        **common, operator=(ANA, BEN)[who], epoch=node.seen[who][0], force=force
    )


def replies(who: int, *, force: bool = False) -> Move:
    return lambda node, common: OperatorReplies(
        **common, operator=(ANA, BEN)[who], epoch=node.seen[who][0], seq=node.seen[who][1], text="person", force=force
    )


def sets_expiry(who: int, seconds: int | None) -> Move:
    return lambda node, common: OperatorSetsExpiry(
        **common, operator=(ANA, BEN)[who], epoch=node.seen[who][0], expiry=seconds
    )


def hands_back(who: int) -> Move:
    return lambda node, common: OperatorHandsBack(**common, operator=(ANA, BEN)[who], epoch=node.seen[who][0])


def assigns(who: int) -> Move:
    return lambda node, common: OperatorAssigns(**common, operator=(ANA, BEN)[who], epoch=node.seen[who][0], to=BEN)


def staff_writes(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    return Echo(**common, channel="standby", app_id=INBOX, text="staff")


def thread_moves(action: str, to: str, of: str) -> Move:
    return lambda node, common: ThreadControl(**common, action=action, new_owner=to, previous_owner=of)


def works(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    """The channel does the next command."""
    if not node.commands:
        return None
    command = node.commands[0]
    fields = {**common, "command": command.id, "epoch": command.epoch}
    if isinstance(command, SendMessage):
        return MessageSent(**fields, seq=command.seq, mid="m", passed=command.then_pass)
    if isinstance(command, ReadThread):
        return ThreadOwnerRead(**fields, known=True, owner=APP)
    return ThreadMoved(**fields, owner=INBOX if isinstance(command, PassThread) else APP)


def refuses(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    if not node.commands or not isinstance(node.commands[0], SendMessage):
        return works(node, common)
    command = node.commands[0]
    fields = {**common, "command": command.id, "epoch": command.epoch, "seq": command.seq}
    return MessageRefused(**fields, kind="not_owner", reason="another app has the thread")


def fires(node: Node, common: dict[str, Any]) -> ConversationEvent | None:
    return node.timer


LOOKS: Final = object()
"""The timers take the expiry that is due out of their table; it is written later."""
CLOCK: Final = object()
"""A receipt of the channel after some time."""

Script = tuple[Any, ...]
CAST: Final[Mapping[str, Script]] = {
    "customer": (says("hi"), says("person please"), says("still there?"), clicks_back),
    "engine": (answers, asks_person, answers, answers),
    "ana": (takes_over(0), replies(0), sets_expiry(0, 300), hands_back(0)),
    "ben": (replies(1), takes_over(1, force=True), assigns(1), replies(1)),
    "staff": (staff_writes, thread_moves("pass", APP, INBOX), thread_moves("take", INBOX, APP)),
    "channel": (works, works, refuses, works),
    "timers": (LOOKS, fires, LOOKS, fires),
    "clock": (CLOCK, CLOCK),
}
WRITERS: Final = tuple(CAST)
JUMPS: Final = (timedelta(seconds=31), timedelta(seconds=600))


def _first() -> Node:
    state = first_contact(MIA, "salon")
    state.profile = Profile(first_name="Mia")
    return Node(state, (0,) * len(WRITERS))


OPENINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "a first contact": (),
    "a turn is out and the next waits": ("customer", "customer"),
    "a person was asked for": ("customer", "engine", "customer", "engine"),
    "staff may have moved it to Done without a word": (
        *("customer", "engine", "customer", "engine", "channel", "channel", "clock", "customer"),
    ),
    "an operator has it": ("customer", "engine", "ana", "ana"),
    "staff have it": ("customer", "engine", "staff"),
    "handed back, and a turn is out": ("customer", "engine", "ana", "ana", "ana", "ana"),
}
"""Each begins with these moves, in this order; from there on every order is tried."""


@dataclass
class Count:
    """`nodes`: different ones; `steps`: decisions that were held to the laws."""

    nodes: int = 0
    steps: int = 0


FOUND: Final[Mapping[int, Count]] = {
    4: Count(nodes=8_871, steps=11_752),
    5: Count(nodes=42_610, steps=59_448),
    6: Count(nodes=192_084, steps=281_248),
}
"""Depth → what there is to explore, so that it cannot become less without a word. docs/ownership.md tells of it."""


Heard = Callable[[str, int, Count], None]
"""Told after each node: in which opening and at which depth it was, and the count so far. What it raises ends the exploring."""


def explore(rules: Rules, depth: int, heard: Heard = lambda *_: None) -> Count:
    """All orders of at most `depth` moves behind each opening. Raises LawBroken at the first step that breaks a law.

    Holds the nodes of one depth of one opening, and of the last depth only 16 bytes each.
    """
    count = Count()
    for name, opening in OPENINGS.items():
        node = _first()
        for writer in opening:
            taken = _step(rules, SETTINGS, node, WRITERS.index(writer))
            assert taken is not None, f"{writer} has nothing to write"
            node = taken
            count.steps += 1
        level = [node]
        count.nodes += 1
        for deep in range(1, depth + 1):
            level = list(_next(rules, level, count, partial(heard, name, deep, count), last=deep == depth))
    return count


def _next(rules: Rules, level: list[Node], count: Count, heard: Callable[[], None], *, last: bool) -> Iterator[Node]:
    """The different nodes a move later; none where nobody goes on from them.

    Nodes of different depths are never one: each move counts up its writer's place.
    """
    found: set[bytes] = set()
    for node in level:
        for after in _all(rules, node):
            count.steps += 1
            key = after.key()
            if key not in found:
                found.add(key)
                count.nodes += 1
                if not last:
                    yield after
        heard()


def _all(rules: Rules, node: Node) -> Iterator[Node]:
    for number in range(len(WRITERS)):
        after = _step(rules, SETTINGS, node, number)
        if after is not None:
            yield after


def _step(rules: Rules, settings: BotSettings, node: Node, number: int) -> Node | None:
    """The node after a writer's next move. None: it has none, or has to wait for something."""
    writer = WRITERS[number]
    script, place = CAST[writer], node.places[number]
    if place == len(script):
        return None
    now = node.now + JUMPS[place] if writer == "clock" else node.now
    common = {
        "id": f"{writer}{place}",
        "conversation": MIA,
        "occurred_at": now - timedelta(seconds=1) + timedelta(milliseconds=place),
    }
    places = tuple(each + (at == number) for at, each in enumerate(node.places))
    move = script[place]
    if move is LOOKS:
        due = timers(node.state).get("expiry")
        return replace(node, places=places, timer=due.event) if due else None
    event = ChannelFact(**common, kind="read", raw={}) if move is CLOCK else move(node, common)
    if event is None:
        return None
    step = folded(rules, settings, node.state, event, now)
    asked = tuple((turn.turn, turn.epoch) for turn in step.of(TurnAsked) if turn.attempt == 1)
    after = step.after
    return Node(
        after,
        places,
        now,
        (*(node.asked[1:] if writer == "engine" else node.asked), *asked),
        (*(node.commands[1:] if writer == "channel" else node.commands), *step.of(*REPORTED)),
        tuple((after.epoch, after.seq) if writer == name else node.seen[at] for at, name in enumerate(("ana", "ben"))),
        None if writer == "timers" else node.timer,
    )
