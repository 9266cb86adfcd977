"""What `convoboss roles` does."""

from collections.abc import Iterator
from typing import Final

from pydantic import Field, SecretStr, field_validator

from convoboss.database import SCHEMAS, owner
from convoboss.scram import UnusualPassword, verifier
from runtime.migrations import lock_of
from runtime.postgres import statements
from runtime.service import load
from runtime.settings import ServiceSettings

SHOWN: Final = "'(the verifier of {variable})'"
ATTRIBUTES: Final = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_AS_IT_SHOULD_BE: Final = """
SELECT rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
FROM pg_roles WHERE rolname = $1
"""


class RolesSettings(ServiceSettings):
    takeover_database_password: SecretStr = Field(SecretStr(""), description="Password of the role convoboss_takeover.")
    fb_handover_database_password: SecretStr = Field(
        SecretStr(""), description="Password of the role convoboss_fb_handover."
    )
    notifier_database_password: SecretStr = Field(SecretStr(""), description="Password of the role convoboss_notifier.")
    console_database_password: SecretStr = Field(SecretStr(""), description="Password of the role convoboss_console.")
    monitor_database_password: SecretStr = Field(SecretStr(""), description="Password of the role convoboss_monitor.")

    @field_validator(*(f"{schema}_database_password" for schema in SCHEMAS.values()))
    @classmethod
    def _usual(cls, value: SecretStr) -> SecretStr:
        try:
            verifier(value)
        except UnusualPassword:
            raise ValueError("use printable ASCII characters only") from None
        return value

    def password(self, schema: str) -> SecretStr:
        found: SecretStr = getattr(self, f"{schema}_database_password")
        return found


async def grant(*, dry_run: bool) -> int:
    """Prints a line for each role, or the SQL. Raises CommandError."""
    settings = load(RolesSettings)
    async with owner(settings) as connection:
        database = await connection.fetchval("SELECT quote_ident(current_database())")
        for schema in SCHEMAS.values():
            good: bool | None = await connection.fetchval(_AS_IT_SHOULD_BE, role_of(schema))
            password = settings.password(schema)
            if dry_run:
                lines = _sql(schema, database, good=good, password=_shown(schema, password))
                print("\n".join(("BEGIN;", *lines, "COMMIT;")), end="\n\n")
                continue
            async with connection.transaction():
                for statement in _sql(schema, database, good=good, password=_hidden(password)):
                    await connection.execute(statement)
            told = "made" if good is None else "brought in line"
            print(f"{role_of(schema)}: {told}{', password set' if password.get_secret_value() else ''}", flush=True)
    return 0


def role_of(schema: str) -> str:
    return f"convoboss_{schema}"


def _hidden(password: SecretStr) -> str | None:
    return f"'{verifier(password)}'" if password.get_secret_value() else None


def _shown(schema: str, password: SecretStr) -> str | None:
    variable = f"CONVOBOSS_{schema.upper()}_DATABASE_PASSWORD"
    return SHOWN.format(variable=variable) if password.get_secret_value() else None


def _sql(schema: str, database: str, *, good: bool | None, password: str | None) -> Iterator[str]:
    """`good`: whether the role's attributes are right, None where there is no role. `password`: a literal."""
    role = role_of(schema)
    for lock in ("convoboss roles", lock_of(schema)):  # beside others of us, and beside migrations
        yield f"SELECT pg_advisory_xact_lock(hashtextextended('{lock}', 0));"
    if not good:
        yield f"{'CREATE' if good is None else 'ALTER'} ROLE {role} {ATTRIBUTES};"
    if password:
        yield f"ALTER ROLE {role} PASSWORD {password};"
    yield f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;"
    yield f"GRANT CONNECT ON DATABASE {database} TO {role};"
    yield f"CREATE SCHEMA IF NOT EXISTS {schema};"
    yield f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {role};"
    # What migrations make later belongs to this owner and is the role's to use at once.
    for rights, kind in (("SELECT, INSERT, UPDATE, DELETE, TRUNCATE", "TABLES"), ("USAGE, SELECT", "SEQUENCES")):
        yield f"GRANT {rights} ON ALL {kind} IN SCHEMA {schema} TO {role};"
        yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rights} ON {kind} TO {role};"
    # Which migrations are there is for the owner alone to say.
    yield f"SET LOCAL search_path = {schema};"
    yield f"{statements('runtime')['make_migration_table'].strip()};"
    yield f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {schema}.schema_migration FROM {role};"
