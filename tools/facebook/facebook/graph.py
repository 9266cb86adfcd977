"""A Graph API call as it comes in: parameters from the query, a form or JSON, and the token that speaks."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from pydantic import JsonValue

from facebook.errors import BadProof, BadToken, InvalidParameter, NoPermission, ProofRequired
from facebook.pages import App
from facebook.registry import Caller, Registry
from facebook.signing import proof_is_right

# Parameters that are objects; in a query or a form they are JSON texts.
OBJECTS = frozenset({"recipient", "message", "thread_control", "payload", "reply_to"})
# The documentation's own examples write {id:PSID} without quotes.
LOOSE_RECIPIENT = re.compile(r'\{\s*"?id"?\s*:\s*"?(\d+)"?\s*\}')

Params = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class GraphCall:
    """`node`: me, or an id. `edge`: what follows it, empty for the node itself. `origin`, `path`: where the box was called."""

    node: str
    edge: str
    params: Params
    token: str
    origin: str
    path: str

    @property
    def psid(self) -> str | None:
        """Whom the call is about."""
        match self.params.get("recipient"):
            case {"id": str() | int() as psid}:
                return str(psid)
            case str() | int() as psid:
                return str(psid)
            case _:
                return None

    def text(self, name: str) -> str | None:
        """A parameter that is a text or a number; None where it is missing or something else."""
        value = self.params.get(name)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None

    def caller(self, registry: Registry) -> Caller:
        """Raises BadToken, BadProof, ProofRequired."""
        if not self.token:
            raise BadToken("An access token is required to request this resource.")
        caller = registry.caller(self.token)
        self._prove(caller.app)
        return caller

    def app(self, registry: Registry) -> App:
        """The app that the call is about, by its own token. Raises as `caller`."""
        app = registry.app_caller(self.node, self.token)
        self._prove(app)
        return app

    def _prove(self, app: App) -> None:
        proof = self.text("appsecret_proof")
        if proof is None and app.require_proof:
            raise ProofRequired
        if proof is not None and not proof_is_right(app.secret, self.token, proof):
            raise BadProof

    def must_be_page(self, caller: Caller) -> None:
        if self.node not in {"me", caller.page.id}:
            raise NoPermission


async def read(request: web.Request) -> GraphCall:
    """Raises InvalidParameter for a body that cannot be read. A missing token is found later, by `caller`."""
    params: dict[str, JsonValue] = {name: _decoded(name, text) for name, text in request.query.items()}
    params |= await _body(request)
    return GraphCall(
        node=request.match_info["node"],
        edge=request.match_info.get("edge", ""),
        params=params,
        token=_token(request, params),
        origin=f"{request.scheme}://{request.host}",
        path=request.path,
    )


async def _body(request: web.Request) -> dict[str, JsonValue]:
    if not request.can_read_body:
        return {}
    if request.content_type == "application/json":
        return _json(await request.text())
    form = await request.post()
    return {name: _decoded(name, text) for name, text in form.items() if isinstance(text, str)}


def _json(text: str) -> dict[str, JsonValue]:
    try:
        body = json.loads(text)
    except ValueError:
        raise InvalidParameter("The body is not JSON") from None
    if not isinstance(body, dict):
        raise InvalidParameter("The body is not a JSON object")
    return body


def _decoded(name: str, text: str) -> JsonValue:
    if name not in OBJECTS:
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        loose = LOOSE_RECIPIENT.fullmatch(text)
        return {"id": loose[1]} if loose else text
    return value


def _token(request: web.Request, params: Params) -> str:
    given = params.get("access_token")
    if isinstance(given, str):
        return given
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() in {"bearer", "oauth"} else ""
