"""The packages of the workspace that have a module of a name. One that is not there yet is no mistake."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def modules(group: str, name: str) -> dict[str, ModuleType]:
    """`services/takeover/takeover/settings.py` → {"takeover": its module}; keys are the folders' names, sorted."""
    found = {}
    for path in sorted((ROOT / group).glob(f"*/*/{name}.py")):
        package = path.parent
        if (package / "__init__.py").exists():
            found[package.parent.name] = importlib.import_module(f"{package.name}.{name}")
    return found
