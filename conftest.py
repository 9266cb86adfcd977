"""Gives every test in the repository the fixtures of tests/infra."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "tests"))
pytest_plugins = ["infra.plugin"]
