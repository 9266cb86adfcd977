"""Runs a command where the machine is not as it should be: `outside.py KIND FOLDER COMMAND...`, in a mount namespace.

`read-only`: the folder cannot be written. `full`: the folder is a disk of 20 MB. Exit code 77 when neither root nor a
user namespace allows it here.
"""

import os
import subprocess
import sys

MOUNTS = {
    "read-only": [["mount", "--bind", "{0}", "{0}"], ["mount", "-o", "remount,ro,bind", "{0}"]],
    "full": [["mount", "-t", "tmpfs", "-o", "size=20m", "none", "{0}"]],
}
INSIDE = "STRANGE_MACHINE_INSIDE"

kind, folder, *command = sys.argv[1:]
if INSIDE not in os.environ:
    own = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
    if subprocess.run(["unshare", *own, "true"], check=False).returncode:
        sys.exit(77)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", *own, sys.executable, *sys.argv])  # noqa: S606
for mount in MOUNTS[kind]:
    if subprocess.run([part.format(folder) for part in mount], check=False).returncode:
        sys.exit(77)
os.chdir(os.environ.get("STRANGE_MACHINE_CWD", "."))
os.execvp(command[0], command)  # noqa: S606
