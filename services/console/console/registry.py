"""Routes as data: method, path, models in and out. Requests are checked by them and OpenAPI is generated from them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator

from console.operators import Operator

if TYPE_CHECKING:
    from aiohttp import web

    from console.services import Services

PREFIX: Final = "/api/v1"
MAX_BODY: Final = 256 * 1024  # bytes

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def storable(value: object) -> object:
    """Refuses the one character that PostgreSQL does not store."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError("the character NUL cannot be kept")
    if isinstance(value, tuple):
        for item in value:
            storable(item)
    return value


class Input(BaseModel):
    """A body: an unknown field or a wrong type is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object) -> object:
        return storable(value)


class Parameters(BaseModel):
    """A query or the variable parts of a path: text that is converted; an unknown name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object) -> object:
        return storable(value)


class Output(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class Nothing(Parameters):
    """No variable part, no query, or no body."""


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A body that is checked by the route itself: a flow, in JSON or YAML."""

    content: bytes
    yaml: bool


P = TypeVar("P", bound=Parameters)
Q = TypeVar("Q", bound=Parameters)
B = TypeVar("B", bound="BaseModel | RawDocument")


@dataclass(frozen=True, slots=True)
class Call(Generic[P, Q, B]):
    """A request that was authenticated, authorised and parsed."""

    services: "Services"
    request: "web.Request"
    path: P
    query: Q
    body: B
    signed_in: "SignedIn | None"

    @property
    def session(self) -> "SignedIn":
        """The session that the request comes with; only a public route is reached without one."""
        if self.signed_in is None:
            raise LookupError("a public route has no session")
        return self.signed_in

    @property
    def operator(self) -> Operator:
        """Who asks."""
        return self.session.operator

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The operator of a request, and the session that shows it: the cookie's token, and since when it stands."""

    operator: Operator
    token: str = field(repr=False)
    since: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` None sends none."""

    status: int
    body: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple["Cookie", ...] = ()


@dataclass(frozen=True, slots=True)
class Cookie:
    """`value` empty: the browser forgets it. `max_age` in seconds."""

    name: str
    value: str
    max_age: int
    http_only: bool


# Any: the registry holds handlers of all models; each was checked against its own where it was registered.
AnyHandler = Callable[[Call[Any, Any, Any]], Awaitable[Any]]
Handler = Callable[[Call[P, Q, B]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `problems`: the statuses of refusals that are its own; those of all routes are added."""

    method: Method
    path: str
    operation_id: str
    tag: str
    summary: str
    path_model: type[Parameters]
    query: type[Parameters]
    body: type[BaseModel] | type[RawDocument]
    responses: Mapping[int, type[BaseModel] | None]
    problems: tuple[int, ...]
    if_match: bool
    idempotency_key: bool
    max_body: int
    handler: AnyHandler

    @property
    def unsafe(self) -> bool:
        return self.method != "GET"

    @property
    def has_body(self) -> bool:
        return self.body is not Nothing


class Routes:
    """The routes of one noun."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Route] = []

    def route(
        self,
        method: Method,
        path: str,
        operation_id: str,
        *,
        responses: Mapping[int, type[BaseModel] | None],
        path_model: type[P] = Nothing,  # type: ignore[assignment] # the default of a type variable
        query: type[Q] = Nothing,  # type: ignore[assignment]
        body: type[B] = Nothing,  # type: ignore[assignment]
        problems: tuple[int, ...] = (),
        if_match: bool = False,
        idempotency_key: bool = False,
        max_body: int = MAX_BODY,
    ) -> Callable[[Handler[P, Q, B]], Handler[P, Q, B]]:
        """Registers the decorated function; its docstring is the operation's summary."""

        def register(handler: Handler[P, Q, B]) -> Handler[P, Q, B]:
            self.all.append(
                Route(
                    method=method,
                    path=path,
                    operation_id=operation_id,
                    tag=self.tag,
                    summary=" ".join((handler.__doc__ or operation_id).split()),
                    path_model=path_model,
                    query=query,
                    body=body,  # type: ignore[arg-type] # the bound of a type variable is a union of two
                    responses=responses,
                    problems=problems,
                    if_match=if_match,
                    idempotency_key=idempotency_key,
                    max_body=max_body,
                    handler=handler,
                )
            )
            return handler

        return register
