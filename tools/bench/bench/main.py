"""`python -m bench`: measures the parts one after another, prints a table, writes build/bench.json."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench import servers
from bench.parts import FIGURES, PARTS, Part
from bench.table import table

RESULT = Path("build") / "bench.json"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    wanted = [part for part in PARTS if part.name in options.parts] if options.parts else list(PARTS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results, failed = runner.run(_measure(wanted))
    _write(options.out, results)
    print(f"\n{table(results)}\n\nwritten to {options.out}")
    missed = [figure.name for figure in FIGURES if figure.name in results and figure.met(results[figure.name]) is False]
    if failed:
        print(f"not measured, see above: {', '.join(failed)}")
    if missed and options.strict:
        print(f"missed: {', '.join(missed)}")
    sys.exit(1 if failed or (missed and options.strict) else 0)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the product on real servers, each figure beside a peer or a limit in the same run.",
        epilog="Parts: " + "; ".join(f"{part.name} ({part.about})" for part in PARTS) + ".",
    )
    parser.add_argument(
        "parts", nargs="*", choices=[[], *(part.name for part in PARTS)], help="only these; all without", metavar="part"
    )
    parser.add_argument("--out", type=Path, default=RESULT, help="where the figures go as JSON (default %(default)s)")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a goal is missed")
    return parser.parse_args(arguments)


async def _measure(parts: Sequence[Part]) -> tuple[dict[str, float], list[str]]:
    """Each part on servers of its own: what one leaves behind does not slow the next."""
    results: dict[str, float] = {}
    failed: list[str] = []
    for part in parts:
        print(f"\n{part.name}: {part.about}", flush=True)
        began = time.monotonic()
        try:
            async with servers.running(_say) as started:
                results |= await part.measure()(started, _say)
        except Exception as error:  # noqa: BLE001 - the other parts are still worth measuring
            print(f"  failed: {type(error).__name__}: {error}", flush=True)
            failed.append(part.name)
        else:
            _say(f"done in {time.monotonic() - began:.0f} s")
    return results, failed


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _write(path: Path, results: Mapping[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path.write_text(json.dumps({"measured_at": at, "cores": servers.cores()} | dict(results), indent=2) + "\n")
