"""Where the parts of a webhook go: events of known pages into the log, all else to the dead letters."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Final, Literal

from pydantic_core import PydanticSerializationError

from ingress import policy
from ingress.gate import Through
from ingress.messenger import Parsed
from ingress.spans import Path, Spans
from ingress.webhook import Broken
from runtime.errors import RecordTooLarge
from runtime.packing import Packed, pack_one
from schemas.conversations import PolicyEnforced
from schemas.deadletters import DeadLetter
from schemas.pages import PageStatus
from schemas.topics import CONVERSATIONS, DEAD_LETTERS, PAGES

ORIGIN: Final = "webhooks/messenger"
MAX_ORIGINAL: Final = 600_000
"""Bytes kept of a dead letter's original; Base64 makes 800,000 of them, and a record holds 900,000."""

Reason = Literal["undecodable", "unaddressed", "unknown_page"]


class Router:
    """Sorts what one webhook held. `through`: the pages whose events may go to the log."""

    def __init__(self, body: bytes, through: Through, traceparent: str | None) -> None:
        self._spans: Spans | None = None
        self._body = body
        self._through = through
        self._traceparent = traceparent
        self.letters: dict[Reason, int] = {}
        self._strangers: dict[str, None] = {}
        self._policies: list[PageStatus] = []

    def records(self, found: Sequence[Parsed | Broken]) -> list[Packed]:
        """One record for each part, in the same order. An event that cannot be a record becomes a dead letter."""
        return [self._one(part) for part in found]

    def facts(self) -> list[Packed]:
        """What is told of pages: that no bot has them, as far as not all pods know it, and how Facebook judges them.

        For the records that were made. It has to be stored before them.
        """
        if not self._strangers and not self._policies:
            return []
        unknown = [fact for page in self._strangers if (fact := self._through.unknown(page)) is not None]
        return [pack_one(PAGES, fact, self._traceparent) for fact in (*unknown, *self._policies)]

    def _one(self, part: Parsed | Broken) -> Packed:
        if isinstance(part, Broken):
            return self._letter(part, part.reason, part.error)
        page = part.element.page
        if page not in self._through.pages:
            self._strangers[page] = None
            return self._letter(part, "unknown_page", self._through.why(page), apps=self._through.apps)
        if type(part.event) is PolicyEnforced:
            self._policies.append(policy.status(part.event, page, self._through.now))
        try:
            return pack_one(CONVERSATIONS, part.event, self._traceparent)
        except RecordTooLarge as error:
            return self._letter(part, "undecodable", str(error))
        except (PydanticSerializationError, RecursionError):
            return self._letter(part, "undecodable", "nested too deeply to be kept")

    def _letter(self, part: Parsed | Broken, reason: Reason, error: str, apps: frozenset[str] = frozenset()) -> Packed:
        """`apps`: by whose secret it was signed, where it is to be read again."""
        self.letters[reason] = self.letters.get(reason, 0) + 1
        original = self._original(part.path if isinstance(part, Broken) else part.element.path)
        if len(original) > MAX_ORIGINAL:
            error = f"{error}; the first {MAX_ORIGINAL} of {len(original)} bytes".lstrip("; ")
            original = original[:MAX_ORIGINAL]
        key, headers = _address(part)
        if apps:
            headers["apps"] = ",".join(sorted(apps))
        digest = hashlib.sha256(f"{key}\n{reason}\n{headers}\n".encode() + original).hexdigest()[:32]
        letter = DeadLetter(
            id=f"dead-letter:{ORIGIN}:{digest}",
            occurred_at=part.event.occurred_at if isinstance(part, Parsed) else None,
            origin_topic=ORIGIN,
            origin_key=key,
            reason=reason,
            error=error,
            value_base64=base64.b64encode(original).decode(),
            headers=headers,
        )
        return pack_one(DEAD_LETTERS, letter, self._traceparent)

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
