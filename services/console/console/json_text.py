"""JSON for PostgreSQL, which stores every character but NUL."""

from typing import Any, Final

from pydantic_core import to_json

from schemas.base import BaseEvent

REPLACEMENT: Final = "\ufffd"
NUL: Final = b"\\u0000"  # as JSON writes it


# Any: whatever JSON can say.
def json_text(value: Any) -> str:
    """`value` (plain data, times, models) as JSON."""
    return to_json(value).decode()


def storable(event: BaseEvent, raw: bytes) -> BaseEvent:
    """The event with NUL replaced, which customers can send and PostgreSQL refuses. `raw`: its JSON."""
    if NUL not in raw:
        return event
    return type(event).model_validate(_cleaned(event.model_dump()))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", REPLACEMENT)
    if isinstance(value, list | tuple):
        return type(value)(_cleaned(item) for item in value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value
