"""Flow documents as they come, JSON or YAML, and what their check found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import yaml
from pydantic import AwareDatetime

from console.problems import FieldProblem, Problem, Refusal, refuse
from console.registry import Output, RawDocument
from schemas.bots import FlowPublished
from schemas.flows import Flow, check
from schemas.messages import Person

MAX_DEPTH: Final = 40  # of lists and objects inside each other; a flow needs ten


class FlowProblem(Output):
    """Something wrong with a document. `block` and `field` are empty where it is about no single one."""

    severity: Literal["error", "warning"]
    block: str
    field: str
    message: str


class FlowCheck(Output):
    """`valid`: it may be published; warnings do not hinder it."""

    valid: bool
    problems: tuple[FlowProblem, ...]


class FlowSummary(Output):
    """`published`: the newest version that bots may follow; null: none."""

    flow: str
    bot: str
    revision: int
    published: int | None
    updated_at: AwareDatetime
    updated_by: Person


class Draft(Output):
    """What is being worked on. `revision` rises with each change."""

    flow: str
    bot: str
    revision: int
    # Any: a draft may be any object; what is wrong with it is in `problems`.
    document: dict[str, Any]
    problems: tuple[FlowProblem, ...]
    updated_at: AwareDatetime
    updated_by: Person


class Version(Output):
    """A published version; it is never edited. `publishing`: the broker does not have it yet, so no bot follows it."""

    ref: str
    flow: str
    bot: str
    version: int
    revision: int
    state: Literal["publishing", "published"]
    note: str
    published_by: Person
    created_at: AwareDatetime
    published_at: AwareDatetime | None


class VersionWithDocument(Version):
    # Any: as in Draft.
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """`document` is JSON, its keys in the order in which they came."""

    flow: str
    bot: str
    revision: int
    document: str
    problems: tuple[FlowProblem, ...]
    updated_at: datetime
    updated_by: Person

    def view(self) -> Draft:
        return Draft(
            flow=self.flow,
            bot=self.bot,
            revision=self.revision,
            document=json.loads(self.document),
            problems=self.problems,
            updated_at=self.updated_at,
            updated_by=self.updated_by,
        )


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """`order` grows with each publication of any flow."""

    order: int
    flow: str
    version: int
    bot: str
    revision: int
    document: str
    note: str
    published_by: Person
    created_at: datetime
    published_at: datetime | None

    @property
    def ref(self) -> str:
        return f"{self.flow}@{self.version}"

    def record(self) -> FlowPublished:
        """The record for the topic `flows`; the same one however often it is made."""
        return FlowPublished(
            id=f"flow:{self.ref}",
            occurred_at=self.created_at,
            ref=self.ref,
            bot=self.bot,
            document=Flow.model_validate_json(self.document),
        )

    def view(self) -> Version:
        return Version(
            ref=self.ref,
            flow=self.flow,
            bot=self.bot,
            version=self.version,
            revision=self.revision,
            state="published" if self.published_at else "publishing",
            note=self.note,
            published_by=self.published_by,
            created_at=self.created_at,
            published_at=self.published_at,
        )

    def whole(self) -> VersionWithDocument:
        return VersionWithDocument(**self.view().model_dump(), document=json.loads(self.document))


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document that is an object. `text`: the same as JSON."""

    value: dict[str, Any]
    text: str


def read(raw: RawDocument) -> ReadDocument:
    """Raises `Refusal`: 400 for what is neither JSON nor YAML, 422 for what is no object."""
    value = _yaml(raw.content) if raw.yaml else _json(raw.content)
    if not isinstance(value, dict):
        raise _not_a_flow("a flow is an object with id, name and blocks")
    if _depth(value) > MAX_DEPTH:
        raise _not_a_flow(f"lists and objects stand more than {MAX_DEPTH} deep in each other")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise _not_a_flow(f"it holds something that JSON cannot say: {error}") from None
    if "\\u0000" in text:
        raise _not_a_flow("the character NUL cannot be kept")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _not_a_flow("it holds half a character (a lone surrogate)") from None
    return ReadDocument(value, text)


def checked(document: ReadDocument, flow: str | None = None) -> FlowCheck:
    """What is wrong with it; `flow`: the id that it must have."""
    found = check(document.value)
    problems = [
        FlowProblem(severity=each.severity, block=each.block, field=each.field, message=each.message)
        for each in found.problems
    ]
    if flow is not None and document.value.get("id") != flow:
        problems.insert(
            0, FlowProblem(severity="error", block="", field="id", message=f"This must be {flow}, as in the address")
        )
    return FlowCheck(valid=not any(each.severity == "error" for each in problems), problems=tuple(problems))


def recheck(draft: StoredDraft) -> FlowCheck:
    """The check of today, which may be stricter than that of the day on which the draft was kept."""
    return checked(ReadDocument(json.loads(draft.document), draft.document), draft.flow)


def refuse_errors(problems: Sequence[FlowProblem]) -> None:
    """Raises `Refusal` (422, `flow_invalid`) that names each error's block and field."""
    errors = [each for each in problems if each.severity == "error"]
    if errors:
        listed = tuple(FieldProblem(field=place(each), reason=each.message) for each in errors)
        problem = Problem(
            code="flow_invalid",
            title="The flow has errors and cannot be published.",
            detail=listed[0].reason,
            field=listed[0].field,
            errors=listed,
        )
        raise Refusal(422, problem)


def place(problem: FlowProblem) -> str:
    parts = (f"blocks.{problem.block}" if problem.block else "", problem.field)
    return ".".join(part for part in parts if part) or "document"


# Any: whatever a document holds.
def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refuse(400, "bad_json", "The body is not JSON.", str(error)) from None


def _yaml(content: bytes) -> Any:
    try:
        return yaml.load(content, Loader=_Plain)  # noqa: S506 - a safe loader with less in it
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refuse(400, "bad_yaml", "The body is not YAML.", " ".join(str(error).split())[:500]) from None


class _Plain(yaml.SafeLoader):
    """YAML that says what JSON can: no times (they stay texts), and no aliases, by which a few lines make a gigabyte."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not taken")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise yaml.YAMLError(f"a key stands twice in an object near line {node.start_mark.line + 1}")
        return mapping


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        inner, depth = waiting.pop()
        if isinstance(inner, dict | list):
            deepest = max(deepest, depth)
            if depth <= MAX_DEPTH:
                children = inner.values() if isinstance(inner, dict) else inner
                waiting.extend((child, depth + 1) for child in children)
    return deepest


def _not_a_flow(reason: str) -> Refusal:
    return refuse(422, "invalid", "This is no flow document.", reason, "document")
