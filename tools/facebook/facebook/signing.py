"""Bytes on the wire and their signatures, as Facebook writes them.

Sources: "Validating Payloads" (Messenger webhooks) and "Securing Graph API Requests" (appsecret_proof).
"""

import hashlib
import hmac
import json

from pydantic import JsonValue, SecretStr


def serialise(body: JsonValue) -> bytes:
    r"""The JSON bytes of a webhook: non-ASCII as lowercase \uXXXX, a slash as \/, no spaces."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", r"\/").encode()


def signature(secret: SecretStr, body: bytes) -> str:
    """The value of X-Hub-Signature-256 for exactly these bytes."""
    return "sha256=" + _hmac(secret, body, "sha256")


def old_signature(secret: SecretStr, body: bytes) -> str:
    """The value of X-Hub-Signature, the SHA-1 twin that is still sent."""
    return "sha1=" + _hmac(secret, body, "sha1")


def proof_is_right(secret: SecretStr, token: str, proof: str) -> bool:
    """Whether `proof` is the appsecret_proof of `token`."""
    return hmac.compare_digest(_hmac(secret, token.encode(), "sha256"), proof)


def _hmac(secret: SecretStr, message: bytes, digest: str) -> str:
    return hmac.new(secret.get_secret_value().encode(), message, getattr(hashlib, digest)).hexdigest()
