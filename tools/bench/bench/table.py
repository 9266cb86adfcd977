"""The result for people: one table, the goals beside the figures."""

from collections.abc import Mapping

from bench.parts import FIGURES, Figure

MARKS = {True: "met", False: "MISSED", None: ""}


def table(results: Mapping[str, float]) -> str:
    """A line a figure; those without a line in the catalogue follow, bare."""
    known = {figure.name: figure for figure in FIGURES}
    named = [figure for figure in FIGURES if figure.name in results]
    named += [Figure(name, "", "") for name in results if name not in known]
    rows: list[tuple[str, ...]] = [("figure", "value", "unit", "goal", "", "what")]
    rows += [_row(figure, results[figure.name]) for figure in named]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column == 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(figure: Figure, value: float) -> tuple[str, ...]:
    sign = {"more": ">=", "less": "<="}[figure.better]
    goal = "" if figure.goal is None else f"{sign} {number(figure.goal)}"
    return figure.name, number(value), figure.unit, goal, MARKS[figure.met(value)], figure.about


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
