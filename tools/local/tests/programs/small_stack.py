"""The stack with one small service instead of the product's: `small_stack.py DATA_FOLDER PORT`."""

import asyncio
import sys
from pathlib import Path

from local import stack
from local.catalogue import Program
from local.errors import LocalError


async def no_topics(bootstrap: str) -> None:
    print(f"broker {bootstrap}")


def main(data: Path, port: int) -> int:
    patient = Program("patient", "patient", port, "a service")
    options = stack.Options(data, data / "story.json", stay=True, programs=(patient,), make_topics=no_topics)
    try:
        return asyncio.run(stack.run(options))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1


sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
