"""Webhooks as bytes on the wire."""

from ingress.signature import HEADER, sign


def webhook(page: str, secret: str, *, psid: str, mid: str) -> bytes:
    """A customer's text, signed, head and all."""
    body = (
        b'{"object":"page","entry":[{"id":"%s","time":1795500000000,"messaging":[{"sender":{"id":"%s"},'
        b'"recipient":{"id":"%s"},"timestamp":1795500000000,"message":{"mid":"%s","text":"Hello, is my parcel there?"}}]}]}'
        % (page.encode(), psid.encode(), page.encode(), mid.encode())
    )
    head = (
        f"POST /webhooks/messenger HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{HEADER}: {sign(body, secret.encode())}\r\n\r\n"
    )
    return head.encode() + body
