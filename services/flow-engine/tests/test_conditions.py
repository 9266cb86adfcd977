"""Which way a condition goes."""

import pytest

from flow_engine.conditions import port_of
from schemas.flows import Condition

VALUES = {"city": " Berlin ", "age": "18", "first_name": "Mia", "limit": "17.5"}


def condition(*comparisons: tuple[str, str, str], match: str = "all") -> Condition:
    rows = [{"attribute": attribute, "test": test, "value": value} for attribute, test, value in comparisons]
    return Condition.model_validate({"branches": [{"id": "yes", "match": match, "comparisons": rows}]})


@pytest.mark.parametrize(
    ("attribute", "test", "value", "holds"),
    [
        ("city", "equals", "berlin", True),
        ("city", "equals", "bern", False),
        ("age", "equals", "18.0", True),
        ("city", "not equals", "bern", True),
        ("unknown", "not equals", "bern", True),
        ("unknown", "equals", "", True),
        ("city", "contains", "LIN", True),
        ("age", "greater", "17", True),
        ("age", "greater", "18", False),
        ("age", "greater", "9", True),
        ("age", "less", "18.5", True),
        ("city", "greater", "1", False),
        ("unknown", "less", "1", False),
        ("age", "greater", "{{limit}}", True),
        ("first_name", "is set", "", True),
        ("unknown", "is set", "", False),
    ],
)
def test_a_comparison(attribute, test, value, holds):
    assert port_of(condition((attribute, test, value)), VALUES) == ("yes" if holds else "else")


def test_all_or_any_comparisons_of_a_branch_and_the_first_branch_that_holds():
    rows = (("age", "greater", "17"), ("city", "equals", "bern"))
    assert port_of(condition(*rows), VALUES) == "else"
    assert port_of(condition(*rows, match="any"), VALUES) == "yes"
    two = Condition.model_validate(
        {"branches": [{"id": name, "comparisons": [{"attribute": "age", "test": "is set"}]} for name in ("a", "b")]}
    )
    assert port_of(two, VALUES) == "a"
