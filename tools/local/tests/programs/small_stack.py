"""The stack with one small service instead of the product's: `small_stack.py DATA_FOLDER PORT`."""

import os
import sys
from pathlib import Path

from local import main, stack
from local.catalogue import Program


def small(options: stack.Options, port: int) -> stack.Options:
    patient = Program("patient", "patient", port, "a service")
    return stack.Options(
        options.data,
        options.data / "story.json",
        stay=True,
        channel=options.channel,
        programs=(patient,),
        topics_module="broker_seen",
    )


if __name__ == "__main__":
    data, port = Path(sys.argv[1]), int(sys.argv[2])
    whole = stack.run
    stack.run = lambda options: whole(small(options, port))
    channel = os.environ.get("SMALL_CHANNEL")
    sys.argv[1:] = [
        "run",
        "--data",
        str(data),
        "--parent",
        str(os.getppid()),
        *(["--channel", channel] if channel else []),
    ]
    main.main()
