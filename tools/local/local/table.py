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
    rows += [
        (catalogue.KAFKA, plan.kafka, "see every record: ./convoboss tail"),
        (catalogue.POSTGRES, plan.database, "one schema for each service"),
        ("logs", str(logs), "JSON lines, a file for each process"),
    ]
    rows += [(name, "not started", f"{real} is set: {value}") for name, real, value in _real_world(plan)]
    return render(rows)


def render(rows: Sequence[tuple[str, str, str]]) -> str:
    """Columns as wide as their longest cell."""
    name, place = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"  {row[0]:{name}}  {row[1]:{place}}  {row[2]}" for row in rows)


def _note(program: catalogue.Program, credentials: Credentials) -> str:
    if program is catalogue.CONSOLE:
        return f"log in as {credentials.email} with {credentials.password}"
    return program.does


def _real_world(plan: Plan) -> list[tuple[str, str, str]]:
    absent = [program for program in catalogue.PROGRAMS if program.stands_in_for and program not in plan.programs]
    values = {catalogue.REAL_GRAPH: plan.graph, catalogue.REAL_SMTP: "(the address may hold a password)"}
    return [(program.name, str(program.stands_in_for), values[str(program.stands_in_for)]) for program in absent]
