"""ETag and If-Match: a change says which version it is made to."""

import re
from collections.abc import Mapping
from typing import Final

from console.problems import refuse, stale

_ETAG: Final = re.compile(r'(?:W/)?"?(\d{1,15})"?')


def etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def wanted_version(headers: Mapping[str, str]) -> int | None:
    """The version of If-Match; None for `*`. Raises `Refusal`: 428 without the header, 422 for one that is no version."""
    value = headers.get("If-Match")
    if value is None:
        raise refuse(428, "if_match_needed", "Say which version you change.", 'Send If-Match: "<version>".', "If-Match")
    if value.strip() == "*":
        return None
    match = _ETAG.fullmatch(value.strip())
    if match is None:
        raise refuse(422, "invalid", "The request is not valid.", "one version in quotation marks, or *", "If-Match")
    return int(match[1])


def check_version(wanted: int | None, present: int) -> None:
    """Raises `Refusal` (412) where they differ."""
    if wanted is not None and wanted != present:
        raise stale(present)
