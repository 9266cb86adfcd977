"""A password as PostgreSQL keeps it (RFC 5803), so that the password itself is in no statement and no server's log."""

import hashlib
import hmac
import os
from base64 import b64encode
from typing import Final

from pydantic import SecretStr

ITERATIONS: Final = 4096  # PostgreSQL's own number
SALT: Final = 16  # bytes


class UnusualPassword(ValueError):
    """A password with other characters than ASCII's printable ones: clients differ in how they prepare it (RFC 4013)."""


def verifier(password: SecretStr, salt: bytes | None = None) -> str:
    """Raises `UnusualPassword`."""
    text = password.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise UnusualPassword
    salt = os.urandom(SALT) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    server = _mac(salted, b"Server Key")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(value: bytes) -> str:
    return b64encode(value).decode()
