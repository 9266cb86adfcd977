"""The checker of schema changes: what takes something away is a break, what only adds is none."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.compatibility import breaks, schema_breaks
from schemas.golden import generated


class Part(BaseModel):
    name: str
    size: int = 1


class OtherPart(BaseModel):
    kind: Literal["other"] = "other"


class Tree(BaseModel):
    name: str
    branches: tuple["Tree", ...] = ()
    parent: "Tree | None" = None


def problems(old: Any, new: Any, *, old_default: Any = ..., new_default: Any = ...) -> list[str]:
    """Breaks of an event whose field `it` had the type `old` and has the type `new`."""
    before = create_model("Event", it=(old, old_default)).model_json_schema(mode="serialization")
    after = create_model("Event", it=(new, new_default)).model_json_schema(mode="serialization")
    return [f"{found.field}: {found.what}" for found in schema_breaks(before, after)]


BOUNDED = Annotated[int, Field(ge=1, le=10)]
LETTERS = Annotated[str, Field(min_length=2, max_length=5)]
PAIR = Annotated[tuple[int, ...], Field(min_length=1, max_length=2)]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param(str, int, "it: type integer, before string", id="another type"),
        pytest.param(float, int, "it: type integer, before number", id="a number becomes an integer"),
        pytest.param(Any, str, "it: type string, before any", id="anything becomes text"),
        pytest.param(str | None, str, "it: null is refused now", id="null is no longer allowed"),
        pytest.param(str | int, str, "it: integer is refused now", id="one type of two is gone"),
        pytest.param(Literal["a", "b"], Literal["a"], "it: no longer accepted: 'b'", id="a value is gone"),
        pytest.param(
            str, Literal["a", "b"], "it: only 'a', 'b' is accepted, before any string", id="text becomes a choice"
        ),
        pytest.param(Literal["a"], Literal["b"], "it: no longer accepted: 'a'", id="another constant"),
        pytest.param(int, Annotated[int, Field(ge=1)], "it: minimum is 1, before none", id="a lower bound appears"),
        pytest.param(
            BOUNDED, Annotated[int, Field(ge=2, le=10)], "it: minimum is 2, before 1", id="a lower bound rises"
        ),
        pytest.param(
            BOUNDED, Annotated[int, Field(ge=1, le=9)], "it: maximum is 9, before 10", id="an upper bound falls"
        ),
        pytest.param(
            BOUNDED,
            Annotated[int, Field(gt=1, le=10)],
            "it: minimum is 1 (exclusive), before 1",
            id="a bound is excluded",
        ),
        pytest.param(
            LETTERS, Annotated[str, Field(min_length=3, max_length=5)], "it: minLength is 3, before 2", id="longer"
        ),
        pytest.param(
            LETTERS, Annotated[str, Field(min_length=2, max_length=4)], "it: maxLength is 4, before 5", id="shorter"
        ),
        pytest.param(
            str, LETTERS, "it: minLength is 2, before 0; it: maxLength is 5, before none", id="lengths appear"
        ),
        pytest.param(
            PAIR,
            Annotated[tuple[int, ...], Field(min_length=2, max_length=2)],
            "it: minItems is 2, before 1",
            id="more",
        ),
        pytest.param(
            PAIR,
            Annotated[tuple[int, ...], Field(min_length=1, max_length=1)],
            "it: maxItems is 1, before 2",
            id="fewer",
        ),
        pytest.param(
            str, Annotated[str, Field(pattern="^a")], "it: pattern is ^a, before none", id="a pattern appears"
        ),
        pytest.param(
            Annotated[str, Field(pattern="^a")],
            Annotated[str, Field(pattern="^b")],
            "it: pattern is ^b, before ^a",
            id="another pattern",
        ),
        pytest.param(tuple[str, ...], tuple[int, ...], "it[]: type integer, before string", id="items of another type"),
        pytest.param(
            tuple[str, int], tuple[str, str], "it[1]: type string, before integer", id="a place of another type"
        ),
        pytest.param(
            tuple[str, int],
            tuple[str, int, int],
            "it: minItems is 3, before 2; it: it has 3 fixed places, before 2",
            id="another place",
        ),
        pytest.param(dict[str, str], dict[str, int], "it{}: type integer, before string", id="values of another type"),
        pytest.param(
            dict[Annotated[str, Field(pattern="^a")], str],
            dict[Annotated[str, Field(pattern="^b")], str],
            "it: the form of its keys changed",
            id="keys of another form",
        ),
        pytest.param(
            Part, create_model("Part", name=(str, ...)), "it.size: the field was removed", id="a nested field is gone"
        ),
        pytest.param(Part | OtherPart, Part, "it: OtherPart is refused now", id="a model of a union is gone"),
        pytest.param(
            Part,
            create_model("Part", __config__=ConfigDict(extra="forbid"), name=(str, ...), size=(int, 1)),
            "it{}: nothing is accepted here any more",
            id="readers refuse fields that they do not know",
        ),
    ],
)
def test_what_takes_something_away_is_told_with_its_field(old: Any, new: Any, told: str) -> None:
    assert "; ".join(problems(old, new)) == told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(int, float, id="an integer becomes a number"),
        pytest.param(str, str | None, id="null is allowed"),
        pytest.param(str, Any, id="anything is allowed"),
        pytest.param(Literal["a"], Literal["a", "b"], id="another value"),
        pytest.param(Literal["a", "b"], str, id="a choice becomes text"),
        pytest.param(BOUNDED, Annotated[int, Field(ge=0, le=11)], id="wider bounds"),
        pytest.param(Annotated[int, Field(gt=0)], Annotated[int, Field(ge=0)], id="a bound is included"),
        pytest.param(BOUNDED, int, id="no bounds"),
        pytest.param(LETTERS, Annotated[str, Field(min_length=1, max_length=6)], id="wider lengths"),
        pytest.param(PAIR, tuple[int, ...], id="any number of items"),
        pytest.param(Annotated[str, Field(pattern="^a")], str, id="no pattern"),
        pytest.param(Part, Part | OtherPart, id="a model joins"),
        pytest.param(
            Part, create_model("Part", name=(str, ...), size=(int, 1), colour=(str, "")), id="a nested optional field"
        ),
        pytest.param(Part, create_model("Renamed", name=(str, ...), size=(int, 1)), id="only the model's name changed"),
        pytest.param(Tree, Tree, id="a model that contains itself"),
    ],
)
def test_what_only_adds_is_no_break(old: Any, new: Any) -> None:
    assert problems(old, new) == []


def test_a_break_inside_a_model_that_contains_itself_is_found_once_for_each_way_in() -> None:
    before = Tree.model_json_schema(mode="serialization")
    after = deepcopy(before)
    after["$defs"]["Tree"]["properties"]["name"]["maxLength"] = 3
    assert {found.field for found in schema_breaks(before, after)} == {"name"}


def test_a_changed_default_is_a_break_since_records_without_the_field_mean_another_thing() -> None:
    assert problems(int, int, old_default=1, new_default=2) == ["it: the default is 2, before 1"]
    assert problems(bool, bool, old_default=False, new_default=True) == ["it: the default is True, before False"]


def test_a_default_document_may_gain_an_optional_field() -> None:
    larger = create_model("Part", name=(str, ...), size=(int, 1), colour=(str, ""))
    assert problems(Part, larger, old_default=Part(name="a"), new_default=larger(name="a")) == []
    assert problems(Part, larger, old_default=Part(name="a"), new_default=larger(name="b")) != []


def test_an_optional_field_that_becomes_required_breaks_readers_of_old_records() -> None:
    assert problems(int, int, old_default=1) == ["it: became required"]
    assert problems(int, int, new_default=1) == []


def test_a_new_field_is_fine_with_a_default_and_a_break_without() -> None:
    old = create_model("Event", a=(str, ...)).model_json_schema(mode="serialization")
    optional = create_model("Event", a=(str, ...), b=(str, "")).model_json_schema(mode="serialization")
    required = create_model("Event", a=(str, ...), b=(str, ...)).model_json_schema(mode="serialization")
    assert schema_breaks(old, optional) == []
    assert [str(found) for found in schema_breaks(old, required, "t/e")] == ["t/e: b: a new field is required"]


@pytest.mark.parametrize("default", [..., ""], ids=["required", "optional"])
def test_a_removed_field_is_a_break_whether_it_was_required_or_not(default: Any) -> None:
    old = create_model("Event", a=(str, ...), b=(str, default)).model_json_schema(mode="serialization")
    new = create_model("Event", a=(str, ...)).model_json_schema(mode="serialization")
    assert [str(found) for found in schema_breaks(old, new, "t/e")] == ["t/e: b: the field was removed"]


def test_a_removed_type_is_a_break_and_so_is_one_that_moved_to_another_topic() -> None:
    schema = Part.model_json_schema()
    told = ["a/part.v1: the type was removed"]
    assert [str(found) for found in breaks({"a": {"part.v1": schema}}, {"a": {}})] == told
    assert [str(found) for found in breaks({"a": {"part.v1": schema}}, {"b": {"part.v1": schema}})] == told
    assert breaks({"a": {}}, {"a": {"part.v1": schema}, "b": {}}) == []


def test_a_keyword_that_the_checker_does_not_know_is_a_break_when_it_changes() -> None:
    old = {"type": "number", "multipleOf": 2}
    assert schema_breaks(old, old) == []
    assert [found.what for found in schema_breaks(old, {"type": "number", "multipleOf": 4})] == [
        "multipleOf changed, which this check cannot judge"
    ]


def test_descriptions_and_titles_may_change() -> None:
    old = {"type": "string", "title": "A", "description": "one", "examples": ["x"]}
    assert schema_breaks(old, {"type": "string", "title": "B"}) == []


# --- the product's own schemas, with a change planted at a random place

CATALOGUE = generated()
EVENTS = [(topic, name) for topic, types in CATALOGUE.items() for name in types]


def properties(schema: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every (model, field) of an event's schema, those of nested models that it reaches included."""
    for model in (schema, *schema.get("$defs", {}).values()):
        yield from ((model, name) for name in model.get("properties", {}))


def test_the_products_schemas_are_compatible_with_themselves() -> None:
    assert breaks(CATALOGUE, CATALOGUE) == []
    assert len(EVENTS) > 40


@settings(max_examples=200)
@given(data=st.data())
def test_a_planted_loss_is_caught_wherever_it_is(data: st.DataObject) -> None:
    topic, name = data.draw(st.sampled_from(EVENTS))
    after = {topic: {name: deepcopy(CATALOGUE[topic][name])}}
    model, field = data.draw(st.sampled_from(list(properties(after[topic][name]))))
    change = data.draw(st.sampled_from(["remove", "const", "type", "require"]))
    if change == "remove":
        del model["properties"][field]
    elif change == "const":
        model["properties"][field] = {"const": "planted"}
    elif change == "type":
        model["properties"][field] = {"type": "planted"}
    else:
        model.setdefault("required", []).append("planted")
        model["properties"]["planted"] = {"type": "string"}
    found = breaks({topic: {name: CATALOGUE[topic][name]}}, after)
    assert found
    assert {each.event for each in found} == {f"{topic}/{name}"}


@settings(max_examples=100)
@given(data=st.data())
def test_an_optional_field_may_be_added_wherever_it_is(data: st.DataObject) -> None:
    topic, name = data.draw(st.sampled_from(EVENTS))
    after = {topic: {name: deepcopy(CATALOGUE[topic][name])}}
    model, _ = data.draw(st.sampled_from(list(properties(after[topic][name]))))
    model["properties"]["planted"] = {"type": "string", "default": ""}
    assert breaks({topic: {name: CATALOGUE[topic][name]}}, after) == []
