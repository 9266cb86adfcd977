"""Where the parts of a webhook go: events of known pages into the log, all else to the dead letters."""

import base64
import hashlib
import json
from collections.abc import Container, Sequence
from typing import Final, Literal

from pydantic_core import PydanticSerializationError

from ingress.messenger import Parsed
from ingress.spans import Path, Spans
from ingress.webhook import Broken
from runtime.records import Outgoing
from schemas.deadletters import DeadLetter
from schemas.topics import CONVERSATIONS, DEAD_LETTERS

ORIGIN: Final = "webhooks/messenger"
MAX_RECORD: Final = 900_000
"""Bytes of an event's JSON: a broker takes records of up to 1 MiB, headers included."""
MAX_ORIGINAL: Final = 600_000
"""Bytes kept of a dead letter's original; Base64 makes 800,000 of them."""
CAREFUL_BYTES: Final = 128 * 1024
CAREFUL_DEPTH: Final = 200
"""A smaller and flatter body cannot hold an event that is too large, or too deep, to be written."""

Reason = Literal["undecodable", "unaddressed", "unknown_page"]


class Router:
    """Sorts what one webhook held. `pages`: those that a bot has."""

    def __init__(self, body: bytes, pages: Container[str], traceparent: str | None) -> None:
        self._spans: Spans | None = None
        self._body = body
        self._pages = pages
        self._traceparent = traceparent
        brackets = body.count(b"{") + body.count(b"[")
        self._careful = len(body) > CAREFUL_BYTES or brackets > CAREFUL_DEPTH

    def outgoing(self, found: Sequence[Parsed | Broken]) -> list[Outgoing]:
        """One record for each part, in the same order."""
        return [self._one(part) for part in found]

    def _one(self, part: Parsed | Broken) -> Outgoing:
        if isinstance(part, Broken):
            return self._letter(part, part.reason, part.error)
        if part.element.page not in self._pages:
            return self._letter(part, "unknown_page", "")
        problem = _unwritable(part) if self._careful else None
        if problem is not None:
            return self._letter(part, "undecodable", problem)
        return Outgoing(CONVERSATIONS, part.event, self._traceparent)

    def _letter(self, part: Parsed | Broken, reason: Reason, error: str) -> Outgoing:
        original = self._original(part.path if isinstance(part, Broken) else part.element.path)
        if len(original) > MAX_ORIGINAL:
            error = f"{error}; the first {MAX_ORIGINAL} of {len(original)} bytes".lstrip("; ")
            original = original[:MAX_ORIGINAL]
        key, headers = _address(part)
        digest = hashlib.sha256(f"{key}\n{reason}\n{headers}\n".encode() + original).hexdigest()[:32]
        return Outgoing(
            DEAD_LETTERS,
            DeadLetter(
                id=f"dead:ingress:{digest}",
                occurred_at=part.event.occurred_at if isinstance(part, Parsed) else None,
                origin_topic=ORIGIN,
                origin_key=key,
                reason=reason,
                error=error,
                value_base64=base64.b64encode(original).decode(),
                headers=headers,
            ),
            self._traceparent,
        )

    def _original(self, path: Path) -> bytes:
        if self._spans is None:
            self._spans = Spans(self._body)
        return self._spans.cut(path)


def _address(part: Parsed | Broken) -> tuple[str, dict[str, str]]:
    """The key, and what of the envelope is needed to read the original again."""
    if isinstance(part, Parsed):
        key, told = part.event.key, part.element.entry_time
        headers = {"page": part.element.page, "array": str(part.element.array)}
    elif part.page:
        key, told = f"messenger:{part.page}:{part.customer}", part.entry_time
        headers = {"page": part.page, "array": part.array}
    else:
        return "", {}
    if isinstance(told, str | int | float):
        headers["entry_time"] = json.dumps(told)
    return key, headers


def _unwritable(part: Parsed) -> str | None:
    """Why the event cannot be a record; None where it can."""
    try:
        size = len(part.event.model_dump_json(exclude_none=True).encode())
    except (PydanticSerializationError, RecursionError):
        return "nested too deeply to be kept"
    return None if size <= MAX_RECORD else f"too large for a record: {size} bytes"
