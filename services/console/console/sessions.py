"""Sessions: a random token in a cookie, its hash in the database, and a CSRF token that only its holder can name."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

SESSION_COOKIE: Final = "convoboss_session"
CSRF_COOKIE: Final = "convoboss_csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
TOKEN_BYTES: Final = 32
TOKEN_LENGTH: Final = 43  # characters of 32 bytes in URL-safe base64 without padding
TOUCH_EVERY: Final = 60.0  # seconds: a request within a minute of the last one writes nothing


def new_token(random: Callable[[int], bytes]) -> str:
    """256 random bits, URL-safe."""
    return _text(random(TOKEN_BYTES))


def token_hash(token: str) -> bytes:
    """What the database holds: a token that leaks from a copy of it opens nothing."""
    return hashlib.sha256(token.encode()).digest()


def session_id(token: str) -> str:
    """A name of the session that may be logged."""
    return token_hash(token).hex()[:16]


def csrf_token(token: str) -> str:
    """Bound to the session: another session's, or a guessed one, does not fit."""
    return _text(hmac.digest(token.encode(), b"csrf", "sha256"))


def csrf_fits(token: str, sent: str | None) -> bool:
    return sent is not None and hmac.compare_digest(csrf_token(token).encode(), sent.encode("utf-8", "replace"))


def well_formed(token: str | None) -> bool:
    """Whether a cookie's value can be a token at all: other values are not looked up."""
    return token is not None and len(token) == TOKEN_LENGTH and token.isascii()


def origin_fits(origin: str | None, *, host: str, public_url: str, fetch_site: str | None = None) -> bool:
    """Whether a request comes from our own pages, or from no browser at all (neither header is sent then).

    The host that the browser spoke to counts as ours beside the public one: cookies of another host never come along.
    """
    if fetch_site is not None and fetch_site not in {"same-origin", "none"}:
        return False
    if origin is None:
        return True
    sent = urlsplit(origin)
    return sent.scheme in {"http", "https"} and sent.netloc in {host, urlsplit(public_url).netloc}


def visitor_address(remote: str | None, forwarded_for: str | None, trusted_proxies: int) -> str:
    """The address that failed sign-ins are counted for: the one that the outermost trusted proxy saw."""
    if trusted_proxies and forwarded_for:
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        return hops[-min(trusted_proxies, len(hops))][:64]
    return remote or "unknown"


BUCKETS: Final = 65_536  # of accounts, and as many of addresses: the table cannot grow past them
ADDRESS_BUCKETS_BEGIN: Final = BUCKETS


def account_bucket(email: str) -> int:
    """Where failed sign-ins of an account are counted; two accounts in one bucket only share a limit."""
    return int.from_bytes(hashlib.sha256(b"account:" + email.encode()).digest()[:2])


def address_bucket(address: str) -> int:
    return ADDRESS_BUCKETS_BEGIN + int.from_bytes(hashlib.sha256(b"address:" + address.encode()).digest()[:2])


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
