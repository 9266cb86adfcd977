"""From HTTP to routes and back: who asks, may they, is it well-formed; and every refusal in one shape."""

import re
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import BaseModel, ValidationError

from console import access, sessions
from console.live import LOST
from console.metrics import API_SECONDS
from console.openapi import statuses
from console.paths import BotPath, CommandPath, ConversationPath
from console.problems import Problem, Refusal, forbidden, from_validation, refuse, unavailable, unknown
from console.registry import PREFIX, Call, Cookie, Nothing, Parameters, RawDocument, Reply, Route, SignedIn
from console.repository import accounts
from console.repository import commands as command_repository
from console.services import Door, Services
from runtime import logs, tracing
from runtime.errors import PublishFailed, RecordTooLarge, passes
from runtime.logs import get_logger

REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
YAML_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"
LARGEST: Final = 2 * 1024 * 1024  # bytes: above every route's own limit
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

ROUTE: Final = web.AppKey("operations", dict[Handler, str])
OPERATOR: Final = web.RequestKey("operator", str)

log = get_logger(__name__)


def make(routes: Sequence[Route], door: Door, *, secure: bool) -> web.Application:
    """The application without the server's own pages. Raises KeyError for a route that the access table does not have."""
    app = web.Application(middlewares=[_shell(secure=secure)], client_max_size=LARGEST)
    operations: dict[Handler, str] = {}
    for route in routes:
        endpoint = _endpoint(route, access.ROUTES[route.operation_id], door, secure=secure)
        operations[endpoint] = route.operation_id
        app.router.add_route(route.method, PREFIX + route.path, endpoint)
    app[ROUTE] = operations

    async def close_sockets(_app: web.Application) -> None:
        door.close_sockets()

    app.on_shutdown.append(close_sockets)
    return app


# --- around every request


def _shell(*, secure: bool) -> Middleware:
    headers = dict(SECURITY_HEADERS)
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"

    @web.middleware
    async def shell(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        request_id = _request_id(request)
        with (
            logs.bind(request=request_id),
            tracing.span("console request", request.headers.get("traceparent"), root=True),
        ):
            response = await _answered(request, handler, request_id)
            seconds = time.monotonic() - began
            _note(request, response, seconds)
        if not response.prepared:
            for name, value in headers.items():
                response.headers.setdefault(name, value)
            response.headers[REQUEST_ID] = request_id
        return response

    return shell


async def _answered(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return _refused(refusal, request_id)
    except web.HTTPException as error:
        return _refused(_of_server(error), request_id)
    except PublishFailed as error:
        log.warning("the log is not available", error=str(error))
        return _refused(unavailable("log_unavailable", "The log did not take it in; send it again."), request_id)
    except RecordTooLarge as error:
        return _refused(refuse(422, "too_large", "This is too much for one record.", str(error)), request_id)
    except Exception as error:
        if passes(error):
            log.warning("the database is not available", error=str(error))
            return _refused(unavailable("database_unavailable", "The database does not answer."), request_id)
        log.exception("a request failed")
        problem = Problem(code="internal", title="Something went wrong on our side.", retryable=False)
        return _refused(Refusal(500, problem), request_id)


def _request_id(request: web.Request) -> str:
    sent = request.headers.get(REQUEST_ID, "")
    return sent if _REQUEST_ID_FORM.fullmatch(sent) else uuid4().hex


def _note(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    operation = request.app[ROUTE].get(request.match_info.handler)
    if operation is None:
        return  # health, metrics, unknown paths
    if operation != "live":
        API_SECONDS.labels(operation, str(response.status)).observe(seconds)
    log.info(
        "request",
        operation=operation,
        status=response.status,
        ms=round(seconds * 1000, 1),
        operator=request.get(OPERATOR),
    )


def _of_server(error: web.HTTPException) -> Refusal:
    """What aiohttp itself refuses, in our shape."""
    match error:
        case web.HTTPNotFound():
            return unknown("page")
        case web.HTTPMethodNotAllowed():
            refusal = refuse(405, "method_not_allowed", "This cannot be done here.")
            refusal.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
            return refusal
        case web.HTTPRequestEntityTooLarge():
            return too_large(LARGEST)
        case _:
            return refuse(error.status, "refused", error.reason or "The request was refused.")


def _refused(refusal: Refusal, request_id: str) -> web.Response:
    problem = refusal.problem.model_copy(update={"request_id": request_id})
    return web.Response(
        text=problem.model_dump_json(), status=refusal.status, headers=refusal.headers, content_type=PROBLEM_TYPE
    )


# --- one route


def _endpoint(route: Route, rule: access.Rule, door: Door, *, secure: bool) -> Handler:
    allowed = frozenset(statuses(route))

    async def endpoint(request: web.Request) -> web.StreamResponse:
        services = door.services
        path = _path(route, request)
        conversation = path.conversation if isinstance(path, ConversationPath) else None
        signed_in, bot = await signed_in_as(request, services, conversation)
        if signed_in is not None:
            request[OPERATOR] = signed_in.operator.id
        if signed_in is None and rule is not access.Rule.PUBLIC and _wants_socket(route, request):
            return await _closed_socket(request)
        access.check(rule, signed_in.operator if signed_in else None)
        check_source(route, request, services, signed_in)
        if isinstance(path, Refusal):  # not before it is known who asks
            raise path
        if signed_in is not None:
            await _authorise(rule, path, signed_in, services, bot)
        call = Call(
            services=services,
            request=request,
            path=path,
            query=_query(route, request),
            body=await _body(route, request),
            signed_in=signed_in,
        )
        return _response(await route.handler(call), secure=secure)

    async def documented(request: web.Request) -> web.StreamResponse:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            if refusal.status not in allowed:
                log.warning("an undocumented refusal", operation=route.operation_id, status=refusal.status)
            raise

    return documented


async def signed_in_as(
    request: web.Request, services: Services, conversation: str | None = None
) -> tuple[SignedIn | None, str | None]:
    """The operator of the session cookie, None without one that stands; and the conversation's bot, None if it has none."""
    token = request.cookies.get(sessions.SESSION_COOKIE)
    if token is None or not sessions.well_formed(token):
        return None, None
    hashed = sessions.token_hash(token)
    found = await accounts.find_session(services.pool, hashed, services.live.window(), conversation)
    if found is None:
        return None, None
    now = services.now()
    if now - found.last_seen > timedelta(seconds=sessions.TOUCH_EVERY):
        await accounts.touch_session(services.pool, hashed, now)
    return SignedIn(found.operator, token, found.created_at), found.bot


def check_source(route: Route, request: web.Request, services: Services, signed_in: SignedIn | None) -> None:
    """A change, or a socket, has to come from our own pages; a change besides has to name the session's CSRF token."""
    if not route.unsafe and route.operation_id != "live":
        return
    ours = sessions.origin_fits(
        request.headers.get("Origin"),
        host=request.host,
        public_url=services.settings.public_url,
        fetch_site=request.headers.get("Sec-Fetch-Site"),
    )
    if not ours:
        raise refuse(403, "bad_origin", "The request does not come from the console's pages.")
    if not route.unsafe or signed_in is None or access.ROUTES[route.operation_id] is access.Rule.PUBLIC:
        return
    if not sessions.csrf_fits(signed_in.token, request.headers.get(sessions.CSRF_HEADER)):
        raise refuse(403, "csrf", "The CSRF token is missing or another session's.", field=sessions.CSRF_HEADER)


async def _authorise(
    rule: access.Rule, path: Parameters, signed_in: SignedIn, services: Services, bot: str | None
) -> None:
    """Whether what the path names is the operator's to see. `bot`: of the conversation it names. Raises `Refusal` (404)."""
    operator = signed_in.operator
    match rule:
        case access.Rule.BOT if isinstance(path, BotPath):
            access.check_bot(operator, path.bot)
        case access.Rule.CONVERSATION if isinstance(path, ConversationPath):
            access.check_bot(operator, bot, what="conversation")
        case access.Rule.COMMAND if isinstance(path, CommandPath):
            command = await command_repository.get(services.pool, path.command)
            if command is None or not (operator.is_admin or command.operator == operator.id):
                raise unknown("command")
        case access.Rule.BOT | access.Rule.CONVERSATION | access.Rule.COMMAND:
            raise forbidden("The path does not name what the rule is about.")  # a fault of the table: shut, not open
        case _:
            pass


def _path(route: Route, request: web.Request) -> Parameters | Refusal:
    """A path that fits nothing is one that names nothing."""
    try:
        return route.path_model.model_validate(dict(request.match_info))
    except ValidationError as error:
        return unknown(str(error.errors()[0]["loc"][0]))


def _query(route: Route, request: web.Request) -> Parameters:
    if route.query is Nothing:
        return Nothing()  # a route without a query does not mind one
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise refuse(422, "invalid", "The request is not valid.", "given more than once", name)
        given[name] = value
    try:
        return route.query.model_validate(given)
    except ValidationError as error:
        raise from_validation(error) from None


async def _body(route: Route, request: web.Request) -> BaseModel | RawDocument:
    if not route.has_body:
        return Nothing()
    content = await _content(request, route.max_body)
    if issubclass(route.body, BaseModel):
        if request.content_type != JSON_TYPE:
            raise _media_type(JSON_TYPE)
        try:
            return route.body.model_validate_json(content)
        except ValidationError as error:
            raise from_validation(error) from None
    if request.content_type not in {JSON_TYPE, *YAML_TYPES}:
        raise _media_type(f"{JSON_TYPE} or application/yaml")
    return RawDocument(content, request.content_type in YAML_TYPES)


async def _content(request: web.Request, limit: int) -> bytes:
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    content = bytearray()
    async for chunk in request.content.iter_any():
        content += chunk
        if len(content) > limit:
            raise too_large(limit)
    return bytes(content)


def too_large(limit: int) -> Refusal:
    return refuse(413, "too_large", "The body is too large.", f"At most {limit} bytes are taken.")


def _media_type(wanted: str) -> Refusal:
    return refuse(415, "media_type", "Another media type is needed.", f"Content-Type: {wanted}.", "Content-Type")


def _response(reply: Reply | web.StreamResponse, *, secure: bool) -> web.StreamResponse:
    if isinstance(reply, web.StreamResponse):
        return reply
    headers: Mapping[str, str] = reply.headers
    if reply.body is None:
        response = web.Response(status=reply.status, headers=headers)
    else:
        response = web.Response(
            text=reply.body.model_dump_json(), status=reply.status, headers=headers, content_type=JSON_TYPE
        )
    for cookie in reply.cookies:
        _set_cookie(response, cookie, secure=secure)
    return response


def _set_cookie(response: web.Response, cookie: Cookie, *, secure: bool) -> None:
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age,
        path="/",
        secure=secure,
        httponly=cookie.http_only,
        samesite="Lax",
    )


# --- sockets


def _wants_socket(route: Route, request: web.Request) -> bool:
    return route.operation_id == "live" and request.headers.get("Upgrade", "").lower() == "websocket"


async def _closed_socket(request: web.Request) -> web.StreamResponse:
    """A browser is told the status of a refused upgrade by no means, but the code with which a socket closes."""
    socket = web.WebSocketResponse()
    if not socket.can_prepare(request):
        raise access.not_signed_in()
    await socket.prepare(request)
    await socket.close(code=LOST, message=b"sign in")
    return socket
