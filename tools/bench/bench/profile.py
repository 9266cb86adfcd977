"""Where a service's processor time goes: `python -m bench.profile OUT takeover` runs it and samples its stack.

A timer of the process's own CPU time interrupts it each millisecond; time in C code counts for the line that called it.
Written at the end: the functions by the share of samples in which they were at work themselves, and in which they were
anywhere on the stack.
"""

import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

EVERY: Final = 0.001  # seconds
SHOWN: Final = 60

own: Counter[str] = Counter()
total: Counter[str] = Counter()


def sample(_number: int, frame: FrameType | None) -> None:
    seen: set[str] = set()
    while frame is not None:
        code = frame.f_code
        place = f"{Path(code.co_filename).parent.name}/{Path(code.co_filename).name}:{code.co_qualname}"
        if not seen:
            own[f"{place}:{frame.f_lineno}"] += 1
        if place not in seen:
            seen.add(place)
            total[place] += 1
        frame = frame.f_back


def table(counted: Counter[str]) -> str:
    samples = sum(own.values()) or 1
    return "\n".join(f"{count / samples:6.1%}  {place}" for place, count in counted.most_common(SHOWN))


def main() -> None:
    out, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = [module]
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write_text(f"at work themselves\n{table(own)}\n\non the stack\n{table(total)}\n")


if __name__ == "__main__":
    main()
