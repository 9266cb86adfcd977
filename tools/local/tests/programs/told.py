"""Does what its first argument says: for the tests of the nursery."""

import os
import signal
import sys

if sys.argv[1] == "exit":
    print(f"environment {os.environ.get('TOLD')}", flush=True)
    sys.exit(int(sys.argv[2]))
if sys.argv[1] == "raise":
    raise RuntimeError("as told")
signal.pause()
