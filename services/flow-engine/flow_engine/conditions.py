"""Which way a condition goes."""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.flows import ELSE, Branch, Comparison, Condition, fill

Values = Mapping[str, str]


def port_of(condition: Condition, values: Values) -> str:
    """The port of the first branch that holds, else `else`."""
    return next((branch.id for branch in condition.branches if _branch_holds(branch, values)), ELSE)


def _branch_holds(branch: Branch, values: Values) -> bool:
    results = (_holds(comparison, values) for comparison in branch.comparisons)
    return all(results) if branch.match == "all" else any(results)


def _holds(comparison: Comparison, values: Values) -> bool:
    have = values.get(comparison.attribute, "").strip().casefold()
    return _TESTS[comparison.test](have, fill(comparison.value, values).strip().casefold())


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _equals(have: str, want: str) -> bool:
    if have == want:
        return True
    left, right = _number(have), _number(want)
    return left is not None and left == right


def _greater(have: str, want: str) -> bool:
    left, right = _number(have), _number(want)
    return left is not None and right is not None and left > right


_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "equals": _equals,
    "not equals": lambda have, want: not _equals(have, want),
    "contains": lambda have, want: want in have,
    "greater": _greater,
    "less": lambda have, want: _greater(want, have),
    "is set": lambda have, _want: bool(have),
}
