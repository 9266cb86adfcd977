"""The OpenAPI 3.1 document, made from the routes: `python -m console openapi` prints it.

Bodies, queries and paths are described as they are read, answers as they are written: a field with a default is
optional in the one and always there in the other.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from console.access import ROUTES, Rule
from console.frames import ClientFrame, ServerFrame
from console.problems import Problem
from console.registry import PREFIX, Nothing, RawDocument, Route
from console.sessions import CSRF_HEADER, SESSION_COOKIE

REFERENCE: Final = "#/components/schemas/{model}"
PHRASES: Final = {
    101: "Switching to WebSocket",
    200: "Done",
    201: "Made",
    202: "Taken in; the outcome comes later",
    204: "Done; nothing to tell",
    400: "The body is not JSON",
    401: "Not signed in",
    403: "Not allowed, or the request does not come from our pages",
    404: "There is no such thing, or not for this operator",
    409: "It does not fit what is there",
    412: "Changed since it was read",
    413: "The body is too large",
    415: "Another media type is needed",
    422: "A field is not valid; it is named",
    428: "If-Match is needed",
    429: "Too many attempts; Retry-After says when",
    500: "A fault of ours; the request id finds it",
    503: "Something the console needs is away; the same request may be sent again",
}

Mode = Literal["validation", "serialization"]
# Any: JSON.
Json = dict[str, Any]


def document(routes: Sequence[Route]) -> Json:
    references, components = _schemas(routes)
    paths: dict[str, Json] = {}
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Convoboss console",
            "version": "1",
            "description": "Operators' API: conversations, commands, bots and flows. The live socket's frames are the "
            "schemas ServerFrame and ClientFrame.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE}},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
    }


def text(routes: Sequence[Route]) -> str:
    """As it is committed: keys in a fixed order, so that a change shows as what it is."""
    return json.dumps(document(routes), indent=2, sort_keys=True) + "\n"


def statuses(route: Route) -> list[int]:
    """The statuses of the refusals that a route can give."""
    found = {*route.problems, 500, 503}
    if ROUTES[route.operation_id] is not Rule.PUBLIC:
        found.add(401)
    if route.unsafe or ROUTES[route.operation_id] is Rule.ADMIN:
        found.add(403)
    if route.has_body:
        found |= {400, 413, 415, 422}
    if route.query is not Nothing:
        found.add(422)
    if route.path_model is not Nothing:
        found.add(404)
    if route.if_match:
        found |= {412, 422, 428}
    if route.idempotency_key:
        found.add(422)
    return sorted(found)


References = dict[tuple[type[BaseModel], Mode], Json]


def _schemas(routes: Iterable[Route]) -> tuple[References, Json]:
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(Problem, "serialization"): None}
    for route in routes:
        for model in (route.body, route.query, route.path_model):
            if model is not Nothing and issubclass(model, BaseModel):
                wanted[model, "validation"] = None
        for answer in route.responses.values():
            if answer is not None:
                wanted[answer, "serialization"] = None
    wanted[ServerFrame, "serialization"] = None
    wanted[ClientFrame, "validation"] = None
    references, whole = models_json_schema(list(wanted), ref_template=REFERENCE)
    return {key: references[key] for key in wanted}, whole["$defs"]


def _operation(route: Route, references: References) -> Json:
    operation: Json = {
        "operationId": route.operation_id,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": {
            **{str(status): _answer(status, model, references) for status, model in route.responses.items()},
            **{str(status): _refusal(status, references) for status in statuses(route)},
        },
        "security": [] if ROUTES[route.operation_id] is Rule.PUBLIC else [{"session": []}],
    }
    if route.has_body:
        operation["requestBody"] = {
            "required": True,
            "description": f"At most {route.max_body} bytes.",
            "content": _content(route.body, references),
        }
    return operation


def _parameters(route: Route) -> Iterable[Json]:
    for model, place in ((route.path_model, "path"), (route.query, "query")):
        schema = model.model_json_schema(ref_template=REFERENCE)
        for name, of in schema.get("properties", {}).items():
            needed = place == "path" or name in schema.get("required", ())
            yield {"name": name, "in": place, "required": needed, "schema": _bare(of)}
    headers: list[tuple[str, bool, str]] = []
    if route.unsafe and ROUTES[route.operation_id] is not Rule.PUBLIC:
        headers.append((CSRF_HEADER, True, "The csrf_token of the session."))
    if route.if_match:
        headers.append(("If-Match", False, "The version that the change is made to, as ETag told it; * for any."))
    if route.idempotency_key:
        headers.append(("Idempotency-Key", False, "Repeating a request with the same key repeats the same command."))
    for name, required, description in headers:
        yield {
            "name": name,
            "in": "header",
            "required": required,
            "description": description,
            "schema": {"type": "string"},
        }


def _bare(schema: Json) -> Json:
    """Without the titles that only repeat a name."""
    return {key: value for key, value in schema.items() if key != "title"}


def _answer(status: int, model: type[BaseModel] | None, references: References) -> Json:
    answer: Json = {"description": PHRASES[status]}
    if model is not None:
        answer["content"] = {"application/json": {"schema": references[model, "serialization"]}}
    return answer


def _refusal(status: int, references: References) -> Json:
    schema = references[Problem, "serialization"]
    return {"description": PHRASES[status], "content": {"application/problem+json": {"schema": schema}}}


def _content(body: type[BaseModel] | type[RawDocument], references: References) -> Json:
    if not issubclass(body, BaseModel):
        free = {"type": "object", "description": "A flow document; it is checked as a whole."}
        return {"application/json": {"schema": free}, "application/yaml": {"schema": free}}
    return {"application/json": {"schema": references[body, "validation"]}}
