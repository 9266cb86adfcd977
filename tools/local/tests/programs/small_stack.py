"""The stack with one small service instead of the product's: `small_stack.py DATA_FOLDER PORT`."""

import asyncio
import sys
from pathlib import Path

from local import stack
from local.catalogue import Program
from local.errors import LocalError


def main(data: Path, port: int) -> int:
    patient = Program("patient", "patient", port, "a service")
    options = stack.Options(data, data / "story.json", stay=True, programs=(patient,), topics_module="broker_seen")
    try:
        return asyncio.run(stack.run(options))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
