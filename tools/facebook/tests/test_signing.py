"""Vectors computed with another program: `openssl dgst -sha256 -hmac app-secret-1`."""

import json

import pytest
from pydantic import SecretStr

from facebook.signing import old_signature, proof_is_right, serialise, signature

SECRET = SecretStr("app-secret-1")
TEXT = "Grüße 😀 مر http://x.y/a?b=<c>&d=%25@e"
BODY = {"object": "page", "entry": [{"id": "1", "messaging": [{"message": {"text": TEXT}}]}]}
WIRE = (
    rb'{"object":"page","entry":[{"id":"1","messaging":[{"message":{"text":"Gr\u00fc\u00dfe \ud83d\ude00 \u0645\u0631 '
    rb'http:\/\/x.y\/a?b=<c>&d=%25@e"}}]}]}'
)


def test_non_ascii_and_slashes_are_escaped_on_the_wire_and_read_back_the_same() -> None:
    assert serialise(BODY) == WIRE
    assert json.loads(WIRE) == BODY


def test_signature_is_that_of_the_escaped_bytes() -> None:
    assert signature(SECRET, WIRE) == "sha256=ea45954ee513520aefa525fac1a1f30295303aa01c47fe0ee0ea3db44cd4ad8b"
    assert old_signature(SECRET, WIRE) == "sha1=15d74f031aa6c9835e6781a47be56e667399d977"


def test_signature_of_the_unescaped_text_differs_so_a_receiver_that_serialises_again_fails() -> None:
    again = json.dumps(BODY, ensure_ascii=False).encode()
    assert signature(SECRET, again) != signature(SECRET, WIRE)


@pytest.mark.parametrize(("token", "right"), [("page-token-1", True), ("page-token-2", False), ("", False)])
def test_proof_belongs_to_one_token(token: str, right: bool) -> None:
    proof = "e17cc3f0898947da335ba22917d62b78810958c2beb8fc6bc57c45bd4c76c9be"
    assert proof_is_right(SECRET, token, proof) is right
