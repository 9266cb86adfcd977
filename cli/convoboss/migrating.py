"""What `convoboss migrate` does."""

from collections.abc import Sequence

from convoboss.database import SCHEMAS, owner
from runtime.migrations import Phase, apply, outstanding
from runtime.service import load
from runtime.settings import ServiceSettings


async def migrate(phase: Phase, services: Sequence[str], *, dry_run: bool) -> int:
    """Prints a line for each schema, or the SQL. Raises CommandError."""
    settings = load(ServiceSettings)
    async with owner(settings) as connection:
        for schema in dict.fromkeys(SCHEMAS[name] for name in services or SCHEMAS):
            if dry_run:
                for each in await outstanding(connection, schema, schema, phase):
                    print(f"-- schema {schema}: {each}\n{each.text.rstrip()}\n")
                continue
            applied = await apply(connection, schema, schema, phase)
            print(f"{schema}: {', '.join(str(each) for each in applied) or 'nothing to do'}", flush=True)
    return 0
