"""docs/logs.md: what the processes log, read from the calls in their code."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from docsgen.markdown import table
from docsgen.packages import ROOT

INTRODUCTION: Final = """\
# Log fields

Every process writes its log to standard error, one JSON object a line (`CONVOBOSS_LOG_FORMAT=console`: lines for people).
Warnings of libraries come in the same form with the library's name as `logger`; the Kafka client's, which are many, the same one
once in ten seconds. `CONVOBOSS_LOG_LEVEL` is the least level that is logged.

Values of fields whose names look like a secret are `[redacted]`, and so are credentials inside texts.

"""

# What every line has, or every line that is logged while one thing is worked on. A test compares this with real lines.
COMMON: Final[Mapping[str, str]] = {
    "timestamp": "When, in UTC, ISO 8601.",
    "level": "`debug`, `info`, `warning`: it goes on by itself; `error`: somebody should look; `critical`: something stands still until a person acts.",
    "event": "What happened: one of the texts below, or a library's.",
    "service": "The process: ingress, takeover, flow-engine, fb-handover, notifier, monitor, console.",
    "logger": "The module that logged it.",
    "trace": "Trace id, the same in all services for what one message caused; where a trace is under way.",
    "exception": "A traceback, where something was not foreseen.",
}

# Fields of some lines. A new name is explained here; the page is not made before.
FIELDS: Final[Mapping[str, str]] = {
    "advice": "What to do about it.",
    "applied": "Migrations that were applied now.",
    "aspect": "What of a page: webhooks, token, routing, sending, policy.",
    "at": "When it is tried again.",
    "attempts": "Requests to Facebook so far.",
    "bot": "A bot's id.",
    "bytes": "Size.",
    "command": "Id of a command to Facebook.",
    "conversation": "A conversation's id, `<channel>:<account>:<customer>`: one search by it tells its story across services.",
    "count": "How many: partitions, or what the text names.",
    "epoch": "A conversation's epoch.",
    "episode": "Id of a takeover.",
    "error": "What went wrong, in the words of the database, the broker or the library.",
    "events": "Number of events.",
    "fence": "The number under which a partition's owner writes; the highest is the owner.",
    "flow": "A flow version, `flow@version`.",
    "group": "Consumer group.",
    "has": "Version of the PostgreSQL server.",
    "host": "Address that is listened on.",
    "key": "Key of a record.",
    "message_id": "Message-ID of an e-mail.",
    "mid": "Facebook's id of a message.",
    "ms": "Milliseconds that a request took.",
    "note": "What the mail server said.",
    "offset": "Place in the partition.",
    "operation": "Operation of the console's API, by the name that openapi.json gives it.",
    "operator": "Id of the signed-in operator.",
    "page": "A Facebook page's id.",
    "partition": "Number of a partition.",
    "partitions": "Numbers of partitions, or their tasks' names.",
    "port": "Port that is listened on.",
    "reason": "Why, as a short code or sentence of ours.",
    "records": "Number of records.",
    "request": "Id of an HTTP request: the console answers it in `X-Request-Id`.",
    "schema": "Schema in PostgreSQL.",
    "seconds": "Seconds: until the next try, that were waited, or that something is late.",
    "segment": "A file of ingress's spool.",
    "seq": "Number of a visible entry of the conversation.",
    "state": "How a command or an e-mail stands.",
    "status": "HTTP status.",
    "step": "What is being done at Facebook, such as `send` or `pass`.",
    "timers": "Number of timers.",
    "topic": "Topic.",
    "turn": "Id of a turn.",
    "why": "What the check of a webhook found.",
}

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_METHODS: Final = {**{level: level for level in LEVELS}, "exception": "error"}
_TRACEBACK: Final = "exception"
_PARTS: Final = {"All services": "libs/runtime/runtime"}


class Unreadable(Exception):
    """A call whose text or fields cannot be told from the code."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One kind of line: what a call of a logger writes beside the common fields."""

    text: str
    levels: tuple[str, ...]
    fields: tuple[str, ...]
    module: str


def page() -> str:
    parts = {title: lines(ROOT / folder) for title, folder in (_PARTS | _services()).items()}
    fields = _explained({field for found in parts.values() for line in found for field in line.fields} | set(bound()))
    sections = "".join(
        f"### {title}\n\n" + table(("event", "level", "fields", "logger"), map(_row, found))
        for title, found in parts.items()
        if found
    )
    return (
        INTRODUCTION
        + "## Fields of every line\n\n"
        + _glossary(COMMON)
        + "## Fields of some lines\n\n"
        + f"{', '.join(f'`{name}`' for name in sorted(bound()))} are on every line that is logged while that one thing is worked on.\n\n"
        + _glossary(fields)
        + "## Events\n\nBeside the fields of every line, each has the ones listed.\n\n"
        + sections.rstrip()
        + "\n"
    )


def lines(folder: Path) -> list[Line]:
    """All kinds of lines that the package in a folder logs, sorted. Raises `Unreadable`."""
    return sorted({line for path in sorted(folder.rglob("*.py")) for line in _Module(path, folder.name).lines()})


def bound() -> list[str]:
    """Names that `runtime.logs.bind` is called with anywhere."""
    found: set[str] = set()
    for folder in (_PARTS | _services()).values():
        for path in (ROOT / folder).rglob("*.py"):
            for call in _calls(ast.parse(path.read_text(encoding="utf-8"))):
                if _name(call.func) == "bind" and call.keywords:
                    found |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return sorted(found)


def _services() -> dict[str, str]:
    """Folder's name → the package's path."""
    mains = sorted((ROOT / "services").glob("*/*/__main__.py"))
    return {path.parents[1].name: str(path.parent.relative_to(ROOT)) for path in mains}


def _explained(names: set[str]) -> dict[str, str]:
    if unknown := names - FIELDS.keys() - COMMON.keys():
        raise ValueError(
            f"docs/docsgen/logs_page.py, FIELDS: say what these log fields are: {', '.join(sorted(unknown))}"
        )
    return {name: meaning for name, meaning in FIELDS.items() if name in names}


def _glossary(meanings: Mapping[str, str]) -> str:
    return table(("field", "meaning"), ((f"`{name}`", meaning) for name, meaning in meanings.items()))


def _row(line: Line) -> Sequence[str]:
    return line.text, " or ".join(line.levels), ", ".join(f"`{field}`" for field in line.fields), f"`{line.module}`"


class _Module:
    """A file, and what its logger is called with."""

    def __init__(self, path: Path, package: str) -> None:
        self._path = path
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        root = next(parent for parent in path.parents if parent.name == package)
        self._module = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")

    def lines(self) -> Iterator[Line]:
        for call in _calls(self._tree):
            if methods := self._methods(call.func):
                levels = tuple(dict.fromkeys(_METHODS[method] for method in methods))
                yield Line(self._text(call), levels, tuple(self._fields(call, methods)), self._module)

    def _methods(self, function: ast.expr) -> list[str]:
        """`log.info` → info; `say`, where `say = log.info if … else log.warning` → info and warning; else nothing."""
        match function:
            case ast.Attribute(value=ast.Name(id="log"), attr=method) if method in _METHODS:
                return [method]
            case ast.Attribute(value=ast.Name(id="log")):
                raise self._unreadable(function, "a logger is called by a level's name")
            case ast.Name(id=name):
                values = self._assigned.get(name, [])
                return [method for value in values for method in self._chosen(value)]
        return []

    def _chosen(self, value: ast.expr) -> list[str]:
        match value:
            case ast.IfExp(body=one, orelse=other):
                return [*self._chosen(one), *self._chosen(other)]
            case ast.Attribute(value=ast.Name(id="log"), attr=method) if method in _METHODS:
                return [method]
        return []

    def _text(self, call: ast.Call) -> str:
        match call.args:
            case [ast.Constant(value=str(text))]:
                return text
        raise self._unreadable(call, "an event is one constant text; what differs is a field")

    def _fields(self, call: ast.Call, methods: Sequence[str]) -> Iterator[str]:
        for keyword in call.keywords:
            if keyword.arg is None:
                yield from self._spread(keyword.value)
            elif keyword.arg != "exc_info":
                yield keyword.arg
        if "exception" in methods or any(keyword.arg == "exc_info" for keyword in call.keywords):
            yield _TRACEBACK

    def _spread(self, value: ast.expr) -> list[str]:
        """`**labels(…)`: names in the dictionary that the function of that name returns."""
        match value:
            case ast.Dict(keys=keys) if all(isinstance(key, ast.Constant) for key in keys):
                return [str(key.value) for key in keys if isinstance(key, ast.Constant)]
            case ast.Call(func=function):
                for path in sorted(self._path.parent.glob("*.py")):
                    for returned in _returned(ast.parse(path.read_text(encoding="utf-8")), _name(function).lstrip("_")):
                        return self._spread(returned)
            case ast.Name(id=name) if name in self._assigned:
                return self._spread(self._assigned[name][0])
        raise self._unreadable(value, "the fields cannot be told from the code")

    @cached_property
    def _assigned(self) -> dict[str, list[ast.expr]]:
        """Name → what it is assigned anywhere in the file."""
        found: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self._tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found.setdefault(name, []).append(value)
        return found

    def _unreadable(self, node: ast.expr, reason: str) -> Unreadable:
        return Unreadable(self._path, node.lineno, reason)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _returned(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    """What the functions of a name return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield inner.value
