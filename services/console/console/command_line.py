"""`python -m console`: without a command it serves; the commands make the first admin and print the API's description."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
from pydantic import EmailStr, Field, SecretStr, TypeAdapter, ValidationError

from console import openapi
from console.operators import MAX_PASSWORD, MIN_PASSWORD
from console.passwords import Passwords
from console.problems import Refusal
from console.repository import accounts
from console.repository.accounts import NewOperator
from console.routes import all_routes
from console.settings import ConsoleSettings
from runtime import logs, migrations, postgres, service
from runtime.errors import Refused

PASSWORD_VARIABLE: Final = "CONVOBOSS_ADMIN_PASSWORD"  # noqa: S105 - its name, not its value
_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(EmailStr)


@dataclass(frozen=True, slots=True)
class Command:
    """What to do instead of serving; returns the exit code."""

    execute: Callable[[], int]


class AdminSettings(ConsoleSettings):
    admin_password: SecretStr | None = Field(
        None, description="Password of the admin that the command makes, where nobody sits at a terminal."
    )


class Mistake(Exception):
    """What was given cannot be used; the message says what and why."""


def parse(arguments: Sequence[str]) -> Command | None:
    """None: serve."""
    parser = argparse.ArgumentParser(prog="python -m console", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("openapi", help="print the API's OpenAPI 3.1 description")
    admin = commands.add_parser(
        "create-admin",
        help=f"make an admin; the password is read from {PASSWORD_VARIABLE} or asked for, never an argument",
    )
    admin.add_argument("--email", required=True)
    admin.add_argument("--name", required=True)
    given = parser.parse_args(arguments)
    match given.command:
        case "openapi":
            return Command(_print_openapi)
        case "create-admin":
            return Command(lambda: _create_admin(given.email, given.name))
        case _:
            return None


def _print_openapi() -> int:
    sys.stdout.write(openapi.text(all_routes()))
    return 0


def _create_admin(email: str, name: str) -> int:
    settings = service.load(AdminSettings)
    logs.configure(level=settings.log_level, log_format=settings.log_format, service="console")
    try:
        said = asyncio.run(
            create_admin(settings, _checked_email(email), _checked_name(name), _password(settings.admin_password))
        )
    except (Mistake, Refusal, Refused, asyncpg.PostgresError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


async def create_admin(settings: ConsoleSettings, email: str, name: str, password: str) -> str:
    """A sentence that says what was done. An admin of that address is left alone; raises `Mistake` for another account."""
    await migrations.migrate(settings, "console", "console")
    pool = await postgres.connect(settings, "console")
    try:
        found = await accounts.credentials(pool, email)
        if found is not None:
            operator = await accounts.get_operator(pool, found.id)
            if not operator.governs:
                raise Mistake(f"{email} has an account that is no active admin; another admin can change it.")
            return f"{email} is an admin already; nothing was changed."
        new = NewOperator(
            id=os.urandom(16).hex(),
            email=email,
            name=name,
            role="admin",
            bots=(),
            password_hash=await Passwords().hash(password),
            created_at=datetime.now(UTC),
        )
        await accounts.add_operator(pool, new)
    finally:
        await postgres.close(pool)
    return f"{email} is an admin now."


def _checked_email(email: str) -> str:
    try:
        return _EMAIL.validate_python(email).lower()
    except ValidationError as error:
        raise Mistake(f"--email: {error.errors()[0]['msg']}.") from None


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > 100 or "\0" in name:
        raise Mistake("--name: 1 to 100 characters.")
    return name


def _password(given: SecretStr | None) -> str:
    password = given.get_secret_value() if given is not None else None
    if password is None:
        if not sys.stdin.isatty():
            raise Mistake(f"Set {PASSWORD_VARIABLE}, or run this at a terminal to be asked for the password.")
        password = getpass.getpass("Password of the new admin: ")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Mistake(f"The password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    return password
