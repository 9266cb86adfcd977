"""Checks a flow document before it is published. Every problem names its block and field."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from schemas.base import Document
from schemas.flows import templates
from schemas.flows.document import (
    MAX_DOCUMENT,
    MAX_TEXT,
    NEXT,
    Comparison,
    Condition,
    Delay,
    Flow,
    FlowButton,
    GoTo,
    LetHumanTakeover,
    Message,
    Placed,
    Question,
    SetAttribute,
    Start,
)
from schemas.handover import HumanTakeover
from schemas.messages import BUTTON_TEXT
from schemas.sessions import MAX_ATTRIBUTES
from schemas.texts import units

MAX_PROBLEMS: Final = 200
"""More are not listed: a page shows them, a person mends them one by one."""

Severity = Literal["error", "warning"]
Location = tuple[int | str, ...]
Edges = Mapping[str, tuple[str, ...]]


class Problem(Document):
    """Something wrong with a document. `block` and `field` are empty where it is about no single one."""

    severity: Severity
    block: str
    field: str
    message: str


class Checked(Document):
    """The outcome of a check. `flow` is None when there is an error; warnings do not hinder publishing."""

    flow: Flow | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def check(document: bytes | dict[str, Any]) -> Checked:
    """A flow out of JSON, or out of what a YAML or JSON reader made of it. Raises nothing, whatever it is given."""
    raw = _read(document)
    if isinstance(raw, Problem):
        return Checked(flow=None, problems=(raw,))
    try:
        # lax, so that lists count as tuples; unknown fields are refused here, since a misspelt one would be lost silently
        flow = Flow.model_validate(raw, extra="forbid")
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return Checked(flow=None, problems=tuple(_mistake(raw, detail) for detail in details[:MAX_PROBLEMS]))
    problems = tuple(islice(_problems(flow), MAX_PROBLEMS))
    usable = all(problem.severity == "warning" for problem in problems)
    return Checked(flow=flow if usable else None, problems=problems)


def _read(document: bytes | dict[str, Any]) -> dict[str, Any] | Problem:
    if isinstance(document, bytes):
        if len(document) > MAX_DOCUMENT:
            return _too_big(len(document))
        try:
            document = from_json(document)
        except ValueError as error:
            return _error("", "", f"This is not JSON: {error}")
    if not isinstance(document, dict):
        return _error("", "", "A flow is an object with id, name and blocks")
    return document


# --- mistakes in the form


def _mistake(raw: Mapping[str, Any], detail: ErrorDetails) -> Problem:
    block, path = _place(raw, detail["loc"])
    sentence = _sentence(detail)
    if not path and detail["type"] == "value_error":
        # a rule about the block as a whole names its field by the title that the pages show
        field = next((name for name, title in _TITLES.items() if sentence.startswith(f"{title}:")), "")
        return _error(block, field, sentence)
    return _error(block, path, sentence)


_TITLES: Final = {name: field.title for name, field in HumanTakeover.model_fields.items() if field.title}


def _place(raw: Mapping[str, Any], location: Location) -> tuple[str, str]:
    """The block and the field inside it that a validation error is about."""
    if location[:1] == ("blocks",) and len(location) > 1:
        if location[-1] == "[key]":
            return str(location[1]), "id"
        return str(location[1]), _path(location[3:])  # [2] is the block's kind
    if location[:1] == ("wires",) and len(location) > 1:
        return _wire_block(raw, location[1]), _path(location)
    return "", _path(location)


def _wire_block(raw: Mapping[str, Any], index: int | str) -> str:
    wires = raw.get("wires")
    wire = wires[index] if isinstance(wires, (list, tuple)) and isinstance(index, int) else None
    block = wire.get("block") if isinstance(wire, dict) else None
    return block if isinstance(block, str) else ""


def _path(location: Location) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _sentence(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    words = _SENTENCES.get(detail["type"])
    if words is not None:
        return words.format(**context)
    return detail["msg"].removeprefix("Value error, ").removeprefix("value is not a valid email address: ")


_SENTENCES: Final = {
    "extra_forbidden": "There is no such field",
    "missing": "This is needed",
    "string_too_long": "At most {max_length} characters",
    "string_too_short": "This may not be empty",
    "too_long": "At most {max_length}",
    "too_short": "At least {min_length}",
    "greater_than_equal": "At least {ge}",
    "less_than_equal": "At most {le}",
    "greater_than": "More than {gt}",
    "literal_error": "One of {expected}",
    "union_tag_invalid": "There is no kind {tag!r}; one of {expected_tags}",
    "union_tag_not_found": "Each block needs its kind",
    "string_pattern_mismatch": "This has to look like {pattern}",
}


# --- mistakes in the meaning


def _problems(flow: Flow) -> Iterator[Problem]:
    """Errors first, so that none is lost behind a crowd of warnings."""
    for rule in _ERRORS:
        yield from rule(flow)
    for rule in _WARNINGS:
        yield from rule(flow)


def _size(flow: Flow) -> Iterator[Problem]:
    size = len(flow.model_dump_json().encode())
    if size > MAX_DOCUMENT:
        yield _too_big(size)


def _starts(flow: Flow) -> Iterator[Problem]:
    starts = [block_id for block_id, block in flow.blocks.items() if isinstance(block, Start)]
    if not starts:
        yield _error("", "blocks", "There is no Start block")
    for extra in starts[1:]:
        yield _error(extra, "kind", f"A second Start: {starts[0]!r} is one already")


def _targets(flow: Flow) -> Iterator[Problem]:
    for block, field, target in _references(flow):
        if target not in flow.blocks:
            yield _error(block, field, f"There is no block {target!r}")


def _references(flow: Flow) -> Iterator[tuple[str, str, str]]:
    """Block, field and named block of everything that names a block."""
    for i, wire in enumerate(flow.wires):
        yield wire.block, f"wires[{i}].block", wire.block
        yield wire.block, f"wires[{i}].to", wire.to
    for block_id, block in flow.blocks.items():
        if isinstance(block, GoTo):
            yield block_id, "target", block.target
    for i, keyword in enumerate(flow.keywords):
        yield "", f"keywords[{i}].to", keyword.to
    if flow.default_reply.block is not None:
        yield "", "default_reply.block", flow.default_reply.block


def _ports(flow: Flow) -> Iterator[Problem]:
    for block_id, block in flow.blocks.items():
        for port in _twice(block.ports()):
            yield _error(block_id, port, f"Two ports are called {port!r}")
    seen: set[tuple[str, str]] = set()
    for i, wire in enumerate(flow.wires):
        known = flow.blocks.get(wire.block)
        if known is not None and wire.port not in known.ports():
            yield _error(wire.block, f"wires[{i}].port", f"The block has no port {wire.port!r}")
        if (wire.block, wire.port) in seen:
            yield _error(wire.block, f"wires[{i}].port", f"A second wire from port {wire.port!r}")
        seen.add((wire.block, wire.port))


def _messages(flow: Flow) -> Iterator[Problem]:
    for block_id, block in flow.blocks.items():
        if not isinstance(block, Message):
            continue
        if not block.text and block.buttons:
            yield _error(block_id, "text", "Buttons need a text")
        elif not (block.text or block.image_url or block.media or block.cards):
            yield _error(block_id, "text", "A text or an image is needed, or a file or cards")
        for field, button in _buttons(block):
            if button.url is not None and button.phone is not None:
                yield _error(block_id, f"{field}.phone", "A button opens a page or calls, not both")
        for i, card in enumerate(block.cards):
            if not (card.subtitle or card.image_url or card.url or card.buttons):
                yield _error(block_id, f"cards[{i}].subtitle", "A card needs a subtitle, an image, a page or a button")


def _buttons(block: Message) -> Iterator[tuple[str, FlowButton]]:
    """Each button with its field."""
    for i, button in enumerate(block.buttons):
        yield f"buttons[{i}]", button
    for i, card in enumerate(block.cards):
        for j, button in enumerate(card.buttons):
            yield f"cards[{i}].buttons[{j}]", button


def _lengths(flow: Flow) -> Iterator[Problem]:
    """In the unit in which a channel counts at most. What attributes add is known only when it is said: it is cut then."""
    for block_id, block in flow.blocks.items():
        for field, text, limit in block.texts():
            if limit is not None and (length := units(templates.without_marks(text))) > limit:
                yield _error(block_id, field, _too_long(limit, length, above=limit == BUTTON_TEXT))
    length = units(templates.without_marks(flow.default_reply.text))
    if length > MAX_TEXT:
        yield _error("", "default_reply.text", _too_long(MAX_TEXT, length))


def _too_long(limit: int, length: int, *, above: bool = False) -> str:
    return f"At most {limit} characters{' above buttons' if above else ''}, of which an emoji is two or more; it has {length}"


def _questions(flow: Flow) -> Iterator[Problem]:
    for block_id, block in flow.blocks.items():
        if not isinstance(block, Question):
            continue
        if block.check == "choice" and not block.choices:
            yield _error(block_id, "choices", "At least one choice is needed")
        if block.check != "choice" and block.choices:
            yield _error(block_id, "choices", "Only a question that checks for a choice has choices")
        if block.suggest and block.check not in {"email", "phone"}:
            yield _error(block_id, "suggest", "Only a question for an e-mail address or a phone number suggests one")
        for title in _twice([choice.title.casefold() for choice in block.choices]):
            yield _error(block_id, "choices", f"Two choices are called {title!r}")


def _conditions(flow: Flow) -> Iterator[Problem]:
    for block_id, block in flow.blocks.items():
        if isinstance(block, Condition):
            for i, branch in enumerate(block.branches):
                for j, comparison in enumerate(branch.comparisons):
                    if _is_no_number(comparison):
                        field = f"branches[{i}].comparisons[{j}].value"
                        yield _error(block_id, field, f"{comparison.test!r} compares numbers")


def _is_no_number(comparison: Comparison) -> bool:
    if comparison.test not in {"greater", "less"} or templates.names(comparison.value):
        return False
    try:
        float(comparison.value)
    except ValueError:
        return True
    return False


def _attributes(flow: Flow) -> Iterator[Problem]:
    if len(_set_by(flow)) > MAX_ATTRIBUTES:
        yield _error("", "blocks", f"At most {MAX_ATTRIBUTES} attributes")


def _set_by(flow: Flow) -> frozenset[str]:
    """The attributes that the flow's blocks set."""
    return frozenset(block.attribute for block in flow.blocks.values() if isinstance(block, (Question, SetAttribute)))


def _unwired(flow: Flow) -> Iterator[Problem]:
    words = {word.casefold() for keyword in flow.keywords for word in keyword.words}
    for block_id, block in flow.blocks.items():
        titles = _titles_of(block)
        for port in block.needed_ports():
            if flow.target(block_id, port) is None and titles.get(port) not in words and not _all_wired(flow, block_id):
                yield _warning(block_id, port, f"Nothing is wired to port {port!r}")


def _titles_of(block: Placed) -> dict[str, str]:
    choices = block.choices() if isinstance(block, Message) else ()
    return {choice.id: choice.title.casefold() for choice in choices}


def _all_wired(flow: Flow, block_id: str) -> bool:
    """Whether each choice of a question has its own wire, so that `next` is not needed."""
    block = flow.blocks[block_id]
    if not isinstance(block, Question) or not block.choices or block.max_attempts is not None:
        return False
    return all(flow.target(block_id, choice.id) is not None for choice in block.choices)


def _vanishing(flow: Flow) -> Iterator[Problem]:
    for block_id, block in flow.blocks.items():
        if isinstance(block, Message) and block.quick_replies and flow.target(block_id, NEXT) is not None:
            yield _warning(block_id, "quick_replies", "Quick replies vanish when the next message follows at once")
        if isinstance(block, LetHumanTakeover) and block.back_to_bot_button and not block.goodbye_message:
            yield _warning(block_id, "back_to_bot_button", "The button rides on the Goodbye Message, which is empty")


def _unreachable(flow: Flow) -> Iterator[Problem]:
    edges = _edges(flow, _all_ways)
    reached: set[str] = set()
    ahead = [keyword.to for keyword in flow.keywords]
    ahead += [block for block in (flow.start, flow.default_reply.block) if block is not None]
    while ahead:
        block_id = ahead.pop()
        if block_id not in reached:
            reached.add(block_id)
            ahead += edges.get(block_id, ())
    for block_id in flow.blocks:
        if block_id not in reached:
            yield _warning(block_id, "", "No way leads to this block")


def _loops(flow: Flow) -> Iterator[Problem]:
    for loop in _cycles(_edges(flow, _ways_at_once)):
        yield _warning(
            loop[0], "", f"The flow goes round without waiting for the customer ({', '.join(loop)}); it will be cut"
        )


def _texts(flow: Flow) -> Iterator[Problem]:
    known = _set_by(flow) | set(templates.PROFILE_NAMES)
    texts = [(block_id, field, text) for block_id, block in flow.blocks.items() for field, text, _ in block.texts()]
    for block_id, field, text in (*texts, ("", "default_reply.text", flow.default_reply.text)):
        if templates.is_malformed(text):
            yield _warning(block_id, field, "These braces are no {{attribute}} and will be said as they stand")
        for name in sorted(templates.names(text) - known):
            yield _warning(block_id, field, f"No block sets the attribute {name!r}")


def _answers(flow: Flow) -> Iterator[Problem]:
    if not flow.default_reply.text and flow.default_reply.block is None:
        yield _warning("", "default_reply", "What matches nothing gets no answer")
    exact = [word.casefold().strip() for keyword in flow.keywords for word in keyword.words]
    for word in _twice(exact):
        yield _warning("", "keywords", f"{word!r} is a keyword twice; the first one counts")


Rule = Callable[[Flow], Iterator[Problem]]
_ERRORS: Final[tuple[Rule, ...]] = (
    _size,
    _starts,
    _targets,
    _ports,
    _messages,
    _lengths,
    _questions,
    _conditions,
    _attributes,
)
_WARNINGS: Final[tuple[Rule, ...]] = (_unwired, _vanishing, _unreachable, _loops, _texts, _answers)


# --- the flow as a graph


def _edges(flow: Flow, ways: Callable[[Placed], tuple[str, ...]]) -> Edges:
    return {
        block_id: (
            *((block.target,) if isinstance(block, GoTo) else ()),
            *(target for port in ways(block) if (target := flow.target(block_id, port)) is not None),
        )
        for block_id, block in flow.blocks.items()
    }


def _all_ways(block: Placed) -> tuple[str, ...]:
    return block.ports()


def _ways_at_once(block: Placed) -> tuple[str, ...]:
    """The ports by which a flow goes on within one turn."""
    if isinstance(block, Message):
        return (NEXT,)
    return () if isinstance(block, (Question, Delay, LetHumanTakeover)) else block.ports()


def _cycles(edges: Edges) -> Iterator[tuple[str, ...]]:
    """A cycle for each edge that leads back into the path walked (depth first, without recursion: a path may be long)."""
    done: set[str] = set()
    for root in edges:
        path: list[str] = []
        on_path: dict[str, int] = {}
        ways: list[Iterator[str]] = []
        step: str | None = root if root not in done else None
        while step is not None:
            on_path[step] = len(path)
            path.append(step)
            ways.append(iter(edges.get(step, ())))
            step = None
            while ways and step is None:
                for target in ways[-1]:
                    if target in on_path:
                        yield tuple(path[on_path[target] :])
                    elif target not in done:
                        step = target
                        break
                else:
                    ways.pop()
                    left = path.pop()
                    del on_path[left]
                    done.add(left)


# --- small things


def _twice(values: Sequence[str]) -> list[str]:
    return sorted(value for value, times in Counter(values).items() if times > 1)


def _too_big(size: int) -> Problem:
    return _error("", "", f"The document has {size} bytes; at most {MAX_DOCUMENT}")


def _error(block: str, field: str, message: str) -> Problem:
    return Problem(severity="error", block=block, field=field, message=message)


def _warning(block: str, field: str, message: str) -> Problem:
    return Problem(severity="warning", block=block, field=field, message=message)
