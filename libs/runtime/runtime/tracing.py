"""Traces through Kafka by W3C Trace Context (`traceparent`, https://www.w3.org/TR/trace-context/).

Without an exporter nothing of OpenTelemetry is loaded: an incoming trace is handed on as it came, and a root gets an id
all the same, so that the logs of one message can be found in every service.
"""

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
EXPORT_TIMEOUT: Final = 5  # seconds
MAX_LINKS: Final = 100


class _Exporter:
    """The tracer, where one is configured."""

    tracer: "Tracer | None" = None


def configure(*, endpoint: str, service: str) -> None:
    """Turns spans on, where `endpoint` is not empty. Called once, by `runtime.service`."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT))
    )
    _Exporter.tracer = provider.get_tracer("convoboss")


def valid(traceparent: str | None) -> str | None:
    """The header if it is well-formed, else None: what others send is not trusted."""
    return traceparent if traceparent is not None and _TRACEPARENT.fullmatch(traceparent) else None


def current() -> str | None:
    """The `traceparent` that an event written now should carry."""
    return _current.get()


def trace_id() -> str | None:
    """32 hex digits of the current trace."""
    traceparent = _current.get()
    return None if traceparent is None else traceparent[3:35]


def new() -> str:
    """A root that nobody samples."""
    ids = secrets.token_hex(24)
    return f"00-{ids[:32]}-{ids[32:]}-00"


class _Carried:
    """The trace that events carry, for the length of a `with` block. Nothing where there is none."""

    __slots__ = ("_token", "_traceparent")

    def __init__(self, traceparent: str | None) -> None:
        self._traceparent = traceparent
        self._token: Token[str | None] | None = None

    def __enter__(self) -> str | None:
        if self._traceparent is not None:
            self._token = _current.set(self._traceparent)
        return self._traceparent

    def __exit__(self, *_exception: object) -> None:
        if self._token is not None:
            _current.reset(self._token)


def span(name: str, traceparent: str | None = None, *, root: bool = False) -> AbstractContextManager[str | None]:
    """A step of work under the incoming `traceparent`, or under the current one; yields what events of it should carry.

    `root` begins a trace where there is none; else, without exporter and without trace, there is no span.
    """
    parent = valid(traceparent) or _current.get()
    if _Exporter.tracer is not None:
        return _exported(_Exporter.tracer, name, parent)
    return _Carried(new() if parent is None and root else parent)


@contextmanager
def batch(name: str, traceparents: Iterable[str | None]) -> Iterator[None]:
    """The work on several events at once: a span of its own, with a link to the trace of each. Nothing without exporter."""
    if _Exporter.tracer is None:
        yield
        return
    from opentelemetry.trace import Link, SpanContext, TraceFlags

    links = [
        Link(
            SpanContext(
                int(each[3:35], 16), int(each[36:52], 16), is_remote=True, trace_flags=TraceFlags(int(each[-2:], 16))
            )
        )
        for each in dict.fromkeys(traceparents)
        if each is not None
    ]
    with _Exporter.tracer.start_as_current_span(name, links=links[:MAX_LINKS]):
        yield


@contextmanager
def _exported(tracer: "Tracer", name: str, parent: str | None) -> Iterator[str]:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()
    context = propagator.extract({"traceparent": parent}) if parent is not None else None
    with tracer.start_as_current_span(name, context=context):
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        carried = carrier["traceparent"]
        token = _current.set(carried)
        try:
            yield carried
        finally:
            _current.reset(token)
