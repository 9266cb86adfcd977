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
from console.rotation import Rotated, rotate
from console.routes import all_routes
from console.settings import ConsoleSettings
from runtime import logs, migrations, postgres, service
from runtime.errors import Refused
from runtime.secrets import NoSecretKeys, SecretBox

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
    keys = commands.add_parser(
        "rotate-keys",
        help="encrypt all stored secrets anew under the first of CONVOBOSS_SECRET_KEYS; may be stopped and repeated",
    )
    keys.add_argument("--dry-run", action="store_true", help="only count")
    given = parser.parse_args(arguments)
    match given.command:
        case "openapi":
            return Command(_print_openapi)
        case "create-admin":
            return Command(lambda: _create_admin(given.email, given.name))
        case "rotate-keys":
            return Command(lambda: _rotate_keys(dry_run=given.dry_run))
        case _:
            return None


def _print_openapi() -> int:
    sys.stdout.write(openapi.text(all_routes()))
    return 0


def _rotate_keys(*, dry_run: bool) -> int:
    settings = service.load(ConsoleSettings)
    logs.configure(level=settings.log_level, log_format=settings.log_format, service="console")
    try:
        found, waiting = asyncio.run(rotate_keys(settings, dry_run=dry_run))
    except (Refusal, Refused, NoSecretKeys, asyncpg.PostgresError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{rotation_told(found, waiting, dry_run=dry_run)}\n")
    return 1 if found.unreadable else 0


async def rotate_keys(settings: ConsoleSettings, *, dry_run: bool) -> tuple[Rotated, int]:
    """What was done, and how many records the running console has still to publish."""
    box = SecretBox(settings.secret_keys)
    pool = await postgres.connect(settings, "console")
    try:
        found = await rotate(pool, box, datetime.now(UTC), dry_run=dry_run)
        return found, await pool.fetchval(postgres.statements("console")["outbox_waiting"])
    finally:
        await postgres.close(pool)


def rotation_told(found: Rotated, waiting: int, *, dry_run: bool) -> str:
    """Sentences for the person who rotates: what was done, and when the other keys can go."""
    what = "are to be" if dry_run else "were"
    told = [f"{found.changed} secrets of {found.bots} bots {what} encrypted anew, {found.current} need not be."]
    if found.unreadable:
        pages = ", ".join(found.unreadable)
        told.append(f"No key reads the secrets of pages {pages}: enter them again, or add the key that is missing.")
    elif dry_run and found.changed:
        told.append("The other keys are still needed.")
    elif waiting:
        told.append(
            f"{waiting} records wait until the running console has published them: then the other keys can go."
            " Repeat this to see it."
        )
    else:
        told.append(
            "All is published: the other keys can go from the console, ingress and fb-handover once ingress and"
            " fb-handover have been seen ready since."
        )
    return "\n".join(told)


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
