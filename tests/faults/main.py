"""`make faults`: all services under load, broken in every way, and the count of what went wrong."""

import argparse
import asyncio
import json
import os
import pickle
import random
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from faults.chaos import Planned, telling, whole
from faults.checker import check
from faults.evidence import Evidence
from faults.run import Plan, Result, run
from faults.table import table

REPORT = Path("build/faults.json")
KEPT = "evidence.pickle"
MOST = 40  # findings that are printed


def main() -> int:
    """The exit code: 0 when everything is zero and done, 1 when not."""
    given = _arguments().parse_args()
    if given.check:
        # a file that this program wrote
        verdict = check(pickle.loads(Path(given.check).read_bytes()))  # noqa: S301
        print(*verdict.findings, json.dumps(verdict.counts()), sep="\n")
        return 1 if verdict.findings else 0
    folder = Path(given.keep or tempfile.mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    length = "--short" if given.short else f"--seconds {given.seconds:.0f}"
    print(f"make faults ARGS='--seed {given.seed} {length}' repeats these faults.", flush=True)

    def keep(evidence: Evidence) -> None:
        (folder / KEPT).write_bytes(pickle.dumps(evidence))

    deck, seconds = (telling, None) if given.short else (whole, given.seconds)
    plan = plan_of(given.seed, deck, given.customers, seconds)
    result = asyncio.run(run(plan, folder, lambda text: print(text, flush=True), keep))
    print(f"\n{table(result)}\n")
    for finding in result.verdict.findings[:MOST]:
        print(finding)
    _write(result)
    if result.clean and not given.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"Logs, data and evidence are in {folder}; python -m faults --check {folder / KEPT} counts again.")
    return 0 if result.clean else 1


def plan_of(
    seed: int, deck: Callable[[random.Random], Sequence[Planned]], customers: int, seconds: float | None = None
) -> Plan:
    """The same seed plans the same faults."""
    rng = random.Random(seed)
    return Plan(seed, lambda: deck(rng), customers, seconds)


def _write(result: Result) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(result.shown(), indent=2, ensure_ascii=False) + "\n")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make faults ARGS=...", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("FAULTS_SEED") or secrets.randbelow(1_000_000)))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("FAULTS_SECONDS") or 540.0))
    parser.add_argument("--customers", type=int, default=24)
    parser.add_argument("--short", action="store_true", help="one round of the most telling faults, as in the tests")
    parser.add_argument("--keep", help="a folder for logs, data and evidence, which stay")
    parser.add_argument("--check", help="only count again: a file of evidence")
    return parser


if __name__ == "__main__":
    sys.exit(main())
