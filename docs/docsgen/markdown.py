"""Pieces of a page."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, and an empty line below it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(cell, line))} |\n" for line in lines) + "\n"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def paragraphs(docstring: str | None) -> str:
    """A docstring as text: its lines joined, its paragraphs kept."""
    blocks = (docstring or "").split("\n\n")
    return "\n\n".join(" ".join(block.split()) for block in blocks if block.strip())
