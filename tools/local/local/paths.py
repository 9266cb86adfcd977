"""Where the local stack keeps things: the cache outlives `make reset`, the data does not."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def cache() -> Path:
    """Downloads and class archives. `CONVOBOSS_CACHE` shares them between clones."""
    return Path(os.environ.get("CONVOBOSS_CACHE") or ROOT / ".cache").expanduser().resolve()


def data() -> Path:
    """Databases, logs and generated secrets of `make run`. `CONVOBOSS_DATA` moves them."""
    return Path(os.environ.get("CONVOBOSS_DATA") or ROOT / ".data").expanduser().resolve()
