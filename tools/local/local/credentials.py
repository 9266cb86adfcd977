"""Secrets of the local stack: made once for each data folder, readable by its owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local.advice import WIPE
from local.errors import LocalError

FILE = "credentials.json"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The first admin, the demonstration app at Facebook in a box, and the keys for secrets at rest. repr shows none."""

    email: str
    password: str = field(repr=False)
    app_secret: str = field(repr=False)
    verify_token: str = field(repr=False)
    page_token: str = field(repr=False)
    secret_keys: str = field(repr=False)  # Fernet keys, separated by commas


def of(folder: Path) -> Credentials:
    """Those of the data folder; made at the first call. Raises LocalError when the file is damaged."""
    path = folder / FILE
    if path.exists():
        return _read(path)
    made = _make()
    folder.mkdir(parents=True, exist_ok=True)
    work = path.with_suffix(".new")  # moved in one step: a start that is killed here leaves no half of it
    descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file, indent=2)
    work.replace(path)
    return made


def _read(path: Path) -> Credentials:
    try:
        return Credentials(**json.loads(path.read_text()))
    except (ValueError, TypeError):  # no JSON, or other fields
        raise LocalError(
            f"{path} is damaged: it held the keys that the secrets in the database are encrypted with.\n{WIPE}"
        ) from None


def _make() -> Credentials:
    from cryptography.fernet import Fernet

    return Credentials(
        email="admin@example.com",
        password=secrets.token_urlsafe(12),
        app_secret=secrets.token_hex(16),
        verify_token=secrets.token_urlsafe(24),
        page_token=secrets.token_urlsafe(48),
        secret_keys=Fernet.generate_key().decode(),
    )
