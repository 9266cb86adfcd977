"""Facebook's signature of a webhook: HMAC-SHA256 by the app secret over the bytes as they came.

Source: developers.facebook.com, Webhooks, "Validate payloads". The body is never parsed and written again before the
check: Facebook escapes non-ASCII characters, and those escapes are part of what is signed.
"""

import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

HEADER: Final = "X-Hub-Signature-256"
_FORM: Final = re.compile(r"sha256=([0-9a-fA-F]{64})")


def signed_with(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bytes | None:
    """Which of the app secrets signed `body`; None: none. Each comparison takes the same time wherever it differs."""
    match = _FORM.fullmatch(header or "")
    if match is None:
        return None
    told = bytes.fromhex(match[1])
    found = None
    for secret in secrets:  # all of them, so that the time does not tell which one it was
        signing = _keyed(secret).copy()
        signing.update(body)
        if hmac.compare_digest(signing.digest(), told):
            found = secret
    return found


def is_signed(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bool:
    """Whether any of the app secrets signed `body`."""
    return signed_with(body, header, secrets) is not None


@lru_cache(maxsize=256)  # app secrets; OpenSSL takes longer to make a keyed hash than to run it over a message
def _keyed(secret: bytes) -> hmac.HMAC:
    """To be copied: nothing is added to it."""
    return hmac.new(secret, digestmod="sha256")


def sign(body: bytes, secret: bytes) -> str:
    """The header's value, as Facebook would send it."""
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"


def is_token(told: str, tokens: Iterable[bytes]) -> bool:
    """Whether `told` is one of the verify tokens. Takes the same time whichever it is."""
    given = told.encode("utf-8", "surrogatepass")
    found = False
    for token in tokens:
        found |= bool(token) and hmac.compare_digest(given, token)
    return found
