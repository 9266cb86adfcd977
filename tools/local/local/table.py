"""What runs where, for a person who opens it all for the first time."""

from collections.abc import Sequence
from pathlib import Path

from local import catalogue
from local.credentials import Credentials
from local.places import Plan

FIRST = (catalogue.CONSOLE, catalogue.FACEBOOK, catalogue.MAIL)  # what a person opens in a browser


def table(plan: Plan, credentials: Credentials, logs: Path) -> str:
    pages = [program for program in FIRST if program in plan.programs]
    others = [program for program in plan.programs if program not in FIRST]
    rows = [(program.name, plan.address(program), _note(program, credentials)) for program in pages]
    rows += [(program.name, plan.address(program), program.does) for program in others]
    rows += _servers(plan)
    rows.append(("logs", str(logs), "JSON lines, a file for each process"))
    return render(rows)


def render(rows: Sequence[tuple[str, str, str]]) -> str:
    """Columns as wide as their longest cell."""
    name, place = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"  {row[0]:{name}}  {row[1]:{place}}  {row[2]}" for row in rows)


def _note(program: catalogue.Program, credentials: Credentials) -> str:
    if program is catalogue.CONSOLE:
        return f"log in as {credentials.email} with {credentials.password}"
    return program.does


def _servers(plan: Plan) -> list[tuple[str, str, str]]:
    """A real database or mail server is named by its setting only: its address may hold a password."""
    local = [
        (catalogue.REAL_KAFKA, catalogue.KAFKA, plan.kafka, "every record: ./convoboss tail"),
        (catalogue.REAL_POSTGRES, catalogue.POSTGRES, plan.database, "a schema for each service"),
    ]
    rows = [(name, address, note) for real, name, address, note in local if real not in plan.connected]
    return [*rows, *(("real", real, "is set: no stand-in runs here") for real in sorted(plan.connected))]
