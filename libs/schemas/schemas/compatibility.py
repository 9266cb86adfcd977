"""Whether a new version of the schemas still reads what the old one wrote, and loses nothing of it.

A published version is never edited, so everything that takes something away counts as a break: a type, a field, a value,
a wider bound, a default. What this module does not understand counts as a break too. Adding an optional field is fine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]  # a JSON Schema: its values are of every JSON type
Catalogue = Mapping[str, Mapping[str, Schema]]
"""Topic → event type → schema."""

_ABSENT: Final = object()

# Keywords that describe and do not constrain. `discriminator` repeats what the alternatives' constants say.
_ANNOTATIONS: Final = frozenset({"$defs", "default", "description", "discriminator", "examples", "title"})
_UNDERSTOOD: Final = frozenset(
    {
        *("const", "enum", "type", "format", "pattern"),
        *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
        *("items", "prefixItems", "uniqueItems"),
        *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    }
)
_SIZES: Final = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that the new schemas take away. `event` is `<topic>/<type>`, `field` a path in it; empty: the whole."""

    event: str
    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.event}: {self.field}: {self.what}" if self.field else f"{self.event}: {self.what}"


def breaks(old: Catalogue, new: Catalogue) -> list[Break]:
    """What readers with the new schemas would refuse, or no longer see, of records written with the old ones."""
    found: list[Break] = []
    for topic, types in old.items():
        for event_type, schema in types.items():
            event = f"{topic}/{event_type}"
            after = new.get(topic, {}).get(event_type)
            if after is None:
                found.append(Break(event, "", "the type was removed"))
            else:
                found += schema_breaks(schema, after, event)
    return found


def schema_breaks(old: Schema, new: Schema, event: str = "") -> list[Break]:
    """The same for one schema."""
    return list(_Comparison(event, old, new).compare("", old, new))


class _Comparison:
    """Walks two schemas side by side; references are followed in the root that they came from."""

    def __init__(self, event: str, old_root: Schema, new_root: Schema) -> None:
        self._event = event
        self._old_root = old_root
        self._new_root = new_root
        self._open: set[tuple[int, int]] = set()

    def _break(self, where: str, what: str) -> Break:
        return Break(self._event, where, what)

    def compare(self, where: str, old: Schema, new: Schema) -> Iterator[Break]:
        """Each alternative of the old schema needs one of the new that takes all of it; else the likest tells why not."""
        olds, news = list(_alternatives(old, self._old_root)), list(_alternatives(new, self._new_root))
        for before in olds:
            outcomes = [(one, list(self._one(where, before, one))) for one in news]
            if all(problems for _, problems in outcomes):
                alike = [
                    problems for one, problems in outcomes if len(olds) == len(news) == 1 or _are_alike(before, one)
                ]
                yield from min(alike, key=len, default=[self._break(where, f"{_name(before)} is refused now")])

    def _one(self, where: str, old: Schema, new: Schema) -> Iterator[Break]:
        """Models that contain themselves are entered once: their inside is being compared already."""
        pair = (id(old.get("properties")), id(new.get("properties")))
        if "properties" in old and pair in self._open:
            return
        self._open.add(pair)
        try:
            for rule in _RULES:
                yield from (self._break(where, what) for what in rule(old, new))
            yield from self._properties(where, old, new)
            yield from self._parts(where, old, new)
        finally:
            self._open.discard(pair)

    def _properties(self, where: str, old: Schema, new: Schema) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed = set(new.get("required", ()))
        for name in sorted(needed - set(old.get("required", ()))):
            yield self._break(_field(where, name), "became required" if name in before else "a new field is required")
        for name, schema in before.items():
            place = _field(where, name)
            if name not in after:
                yield self._break(place, "the field was removed")
                continue
            yield from (self._break(place, what) for what in _default(schema, after[name]))
            yield from self.compare(place, schema, after[name])

    def _parts(self, where: str, old: Schema, new: Schema) -> Iterator[Break]:
        """What arrays and dictionaries hold."""
        yield from self._part(f"{where}[]", old, new, "items")
        yield from self._part(f"{where}{{}}", old, new, "additionalProperties")
        yield from self._part(f"{where}{{key}}", old, new, "propertyNames")
        patterns = (old.get("patternProperties", {}), new.get("patternProperties", {}))
        if patterns[0].keys() == patterns[1].keys():
            for pattern, schema in patterns[0].items():
                yield from self.compare(f"{where}{{}}", schema, patterns[1][pattern])
        elif patterns[1]:
            yield self._break(where, "the form of its keys changed")
        yield from self._positions(where, old.get("prefixItems", ()), new.get("prefixItems", ()))

    def _part(self, where: str, old: Schema, new: Schema, keyword: str) -> Iterator[Break]:
        before, after = old.get(keyword, True), new.get(keyword, True)
        if after is True or before is False:
            return
        if after is False:
            yield self._break(where, "nothing is accepted here any more")
        else:
            yield from self.compare(where, {} if before is True else before, after)

    def _positions(self, where: str, old: Sequence[Schema], new: Sequence[Schema]) -> Iterator[Break]:
        if len(new) != len(old):
            yield self._break(where, f"it has {len(new)} fixed places, before {len(old)}")
            return
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from self.compare(f"{where}[{place}]", before, after)


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The schemas of which a value may match any, references resolved."""
    schema = _resolved(schema, root)
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices is None:
        yield schema
        return
    beside = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"} | _ANNOTATIONS}
    for choice in choices:
        for alternative in _alternatives(choice, root):
            yield {**alternative, **beside}


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _are_alike(old: Schema, new: Schema) -> bool:
    """Whether `new` is what became of `old`: the same model, or the same type of value."""
    if old.get("type") != new.get("type"):
        return False
    return old.get("type") != "object" or old.get("title") == new.get("title")


def _name(schema: Schema) -> str:
    if "const" in schema:
        return repr(schema["const"])
    return str(schema.get("title") if schema.get("type") == "object" else schema.get("type", "any value"))


def _field(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


# --- rules about one keyword or two; each yields what is wrong


def _values(old: Schema, new: Schema) -> Iterator[str]:
    before, after = _allowed(old), _allowed(new)
    if after is None:
        return
    if before is None:
        yield f"only {', '.join(map(repr, after))} is accepted, before any {_name(old)}"
        return
    gone = [value for value in before if value not in after]
    if gone:
        yield f"no longer accepted: {', '.join(map(repr, gone))}"


def _allowed(schema: Schema) -> list[Any] | None:  # JSON values of any type
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _type(old: Schema, new: Schema) -> Iterator[str]:
    before, after = old.get("type"), new.get("type")
    if after in {None, before} or (before, after) == ("integer", "number"):
        return
    yield f"type {after}, before {before or 'any'}"


def _bounds(old: Schema, new: Schema) -> Iterator[str]:
    """An exclusive bound is tighter than an inclusive one of the same number."""
    for word, sign in (("minimum", 1), ("maximum", -1)):
        before, after = _bound(old, word, sign), _bound(new, word, sign)
        if after is not None and (before is None or after > before):
            yield f"{word} is {_number(after, sign)}, before {_number(before, sign)}"


def _bound(schema: Schema, word: str, sign: int) -> tuple[float, bool] | None:
    found = [(sign * schema[key], key != word) for key in (word, f"exclusive{word.title()}") if key in schema]
    return max(found, default=None)


def _number(bound: tuple[float, bool] | None, sign: int) -> str:
    return "none" if bound is None else f"{sign * bound[0]:g}{' (exclusive)' if bound[1] else ''}"


def _sizes(old: Schema, new: Schema) -> Iterator[str]:
    for least, most in _SIZES:
        if new.get(least, 0) > old.get(least, 0):
            yield f"{least} is {new[least]}, before {old.get(least, 0)}"
        if most in new and (most not in old or new[most] < old[most]):
            yield f"{most} is {new[most]}, before {old.get(most, 'none')}"


def _forms(old: Schema, new: Schema) -> Iterator[str]:
    """Whether one pattern takes all that another took is not decided here: any change counts."""
    for keyword in ("pattern", "format", "uniqueItems"):
        if new.get(keyword) not in {None, False, old.get(keyword)}:
            yield f"{keyword} is {new[keyword]}, before {old.get(keyword, 'none')}"


def _unknown(old: Schema, new: Schema) -> Iterator[str]:
    for keyword in sorted((old.keys() | new.keys()) - _UNDERSTOOD - _ANNOTATIONS):
        if old.get(keyword, _ABSENT) != new.get(keyword, _ABSENT):
            yield f"{keyword} changed, which this check cannot judge"


_RULES: Final[tuple[Callable[[Schema, Schema], Iterator[str]], ...]] = (
    _values,
    _type,
    _bounds,
    _sizes,
    _forms,
    _unknown,
)


def _default(old: Schema, new: Schema) -> Iterator[str]:
    """A default is what a record without the field means."""
    if "default" in old and "default" in new and not _is_same_default(old["default"], new["default"]):
        yield f"the default is {new['default']!r}, before {old['default']!r}"


def _is_same_default(old: object, new: object) -> bool:
    """A document's default may gain fields."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and _is_same_default(value, new[key]) for key, value in old.items())
    return type(old) is type(new) and old == new
