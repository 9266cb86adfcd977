"""The one client of the Graph API."""

import asyncio
import math
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, Self

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    TCPConnector,
    TraceConfig,
    TraceConnectionCreateEndParams,
    TraceConnectionReuseconnParams,
)
from pydantic_core import from_json

from graphapi import usage
from graphapi.answers import Json, Later, Unknown, Verdict, classify
from graphapi.request import Credentials, GraphRequest

ANSWER_LIMIT: Final = 512 * 1024  # bytes; real answers have some hundred, 20 messages of a conversation up to 250,000
CONNECT_TIMEOUT: Final = 3.0  # seconds, name resolution and TLS included
KEEP_ALIVE: Final = 10.0  # seconds: shorter than any server's, so that a request does not meet a connection that closes


@dataclass(slots=True)
class _Progress:
    """Whether the request has a connection: before that nothing was written, and nothing can have happened.

    `begin_by`: monotonic seconds after which nothing is written any more.
    """

    begin_by: float
    connected: bool = False


class _TooLate(ClientError):
    pass


class Graph:
    """Makes requests; redirects are not followed, and no address is logged: it holds the proof of the token."""

    def __init__(self, url: str, *, timeout: float, connections: int) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._connections = connections
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE),
            trace_configs=[_tracing()],
            headers={"User-Agent": "convoboss", "Accept": "application/json"},
        )
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        request: GraphRequest,
        credentials: Credentials,
        *,
        within: float | None = None,
        begin_by: float = math.inf,
    ) -> Verdict:
        """Never raises for what happens on the way: that is `Later` before anything was written, else `Unknown`.

        `begin_by`: monotonic seconds. Looked at once more with the connection in hand, for this process may stand still
        at any moment; what it would then write could have been sent by another in the meantime.
        """
        progress = _Progress(begin_by)
        seconds = within or self._timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(request, credentials, progress)
        except TimeoutError:
            return _lost(progress, f"no answer from Facebook in {seconds:g} s")
        except _TooLate:
            return Later("stood still before the request")
        except (ClientError, OSError) as error:
            return _lost(progress, f"the connection to Facebook failed ({type(error).__name__})")

    async def _ask(self, request: GraphRequest, credentials: Credentials, progress: _Progress) -> Verdict:
        if self._session is None:
            raise RuntimeError("Graph is used outside its context")
        payload = request.payload()
        headers = {"Authorization": f"Bearer {credentials.token.get_secret_value()}"}
        if payload is not None:
            headers["Content-Type"] = "application/json"
        async with self._session.request(
            "GET" if payload is None else "POST",
            f"{self._url}/{request.path}",
            params=[*request.query, ("appsecret_proof", credentials.proof)],
            data=payload,
            headers=headers,
            allow_redirects=False,
            timeout=ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
            trace_request_ctx=progress,
        ) as response:
            return classify(response.status, await _body(response), usage.read(response.headers))


async def _body(response: ClientResponse) -> Json:
    """The parsed JSON; None where it is none, or is too long."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > ANSWER_LIMIT:
            response.close()
            return None
        pieces.append(piece)
    try:
        return from_json(b"".join(pieces))
    except ValueError:
        return None


def _lost(progress: _Progress, reason: str) -> Verdict:
    return Unknown(reason) if progress.connected else Later(reason)


def _tracing() -> TraceConfig:
    trace = TraceConfig()
    trace.on_connection_create_end.append(_connected)
    trace.on_connection_reuseconn.append(_connected)
    return trace


async def _connected(
    _session: ClientSession,
    context: SimpleNamespace,
    _params: TraceConnectionCreateEndParams | TraceConnectionReuseconnParams,
) -> None:
    progress: object = context.trace_request_ctx
    if isinstance(progress, _Progress):
        if time.monotonic() > progress.begin_by:
            raise _TooLate
        progress.connected = True
