"""Logs: one JSON object a line, with the conversation, the event and the trace they belong to; never a secret."""

import logging
import re
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

# Any: structlog's own type of a log entry.
Entry = MutableMapping[str, Any]

REDACTED: Final = "[redacted]"
_SECRET_KEY: Final = re.compile(
    r"token|secret|passw|authori[sz]ation|signature|cookie|api_?key|credential", re.IGNORECASE
)
# user:password@ of an address, the credential after a scheme, and key=value pairs of a query string
_SECRET_TEXT: Final = re.compile(
    r"(?P<url>(?<=://)[^/\s:@]*:[^/\s@]+(?=@))"
    r"|(?P<scheme>(?<=Bearer )\S+|(?<=Basic )\S+)"
    r"|(?P<pair>(?<=access_token=)[^&\s\"']+|(?<=appsecret_proof=)[^&\s\"']+|(?<=verify_token=)[^&\s\"']+|(?<=password=)[^&\s\"']+)"
)
_DEPTH: Final = 6
REPEAT_AFTER: Final = 10.0  # seconds


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def bind(**fields: str | int | None) -> Iterator[None]:
    """Puts fields, such as conversation=… and event=…, into every line that is logged inside; None leaves a field out.

    An event's id is logged as `event_id`, for `event` is structlog's name of the message.
    """
    named = {"event_id" if name == "event" else name: value for name, value in fields.items() if value is not None}
    with bound_contextvars(**named):
        yield


# Any: what a caller logs is of any type, and goes out as it came but for secrets.
def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(REDACTED, value)
    if depth == 0:
        return value
    if isinstance(value, dict):
        return {key: REDACTED if _is_secret(key) else _clean(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner, depth - 1) for inner in value]
    return value


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and _SECRET_KEY.search(key) is not None


def redact(_logger: object, _method: str, entry: Entry) -> Entry:
    """Drops the values of keys that look like secrets, at any depth, and credentials inside texts."""
    for key, value in entry.items():
        if key.startswith("_"):  # structlog's own
            continue
        entry[key] = REDACTED if _is_secret(key) else _clean(value, _DEPTH)
    return entry


def _add_trace(_logger: object, _method: str, entry: Entry) -> Entry:
    from runtime import tracing

    trace = tracing.trace_id()
    if trace is not None:
        entry.setdefault("trace", trace)
    return entry


class Sparse(logging.Filter):
    """Lets the same message of a chatty library pass once in ten seconds: an outage must not fill a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = f"{record.name}:{record.msg}"
        now = time.monotonic()
        if now - self._last.get(key, -REPEAT_AFTER) < REPEAT_AFTER:
            return False
        if len(self._last) > 1000:
            self._last.clear()
        self._last[key] = now
        return True


def _renderer(log_format: Literal["json", "console"]) -> structlog.typing.Processor:
    if log_format == "console":
        # Plain: a traceback for people shows the values of variables, and some are secrets.
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer()


def configure(*, level: str, log_format: Literal["json", "console"], service: str) -> None:
    """Sends the project's logs and those of libraries to standard error in one form. Called once, by `runtime.service`."""

    def add_service(_logger: object, _method: str, entry: Entry) -> Entry:
        entry["service"] = service
        return entry

    shared: list[structlog.typing.Processor] = [
        merge_contextvars,
        add_service,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # A traceback is text: it is made before texts are cleaned.
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, redact, _renderer(log_format)]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("aiokafka", "asyncio", "aiohttp", "faust", "mode"):
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    handler.addFilter(_SparseLibraries())


class _SparseLibraries(logging.Filter):
    """Applies `Sparse` to the Kafka client alone, whose loggers are many."""

    def __init__(self) -> None:
        super().__init__()
        self._sparse = Sparse()

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith("aiokafka") or self._sparse.filter(record)
