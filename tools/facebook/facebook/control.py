"""What the parts of the control API share: reading a body, answering, refusing.

It is for tests and demonstrations on one machine and has no login; it answers to browsers of the same origin only.
"""

import json
from collections.abc import Iterable
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, JsonValue, ValidationError

from facebook import views
from facebook.conversation import UnknownMessage
from facebook.courier import Courier
from facebook.customers import NoLeadFlow, NotOffered
from facebook.errors import GraphError
from facebook.inbox import NotPossible
from facebook.pages import Page
from facebook.registry import AmbiguousCustomer, UnknownName
from facebook.world import Act, World

B = TypeVar("B", bound=BaseModel)


class BadField(Exception):
    """The request cannot be understood; `field` names where."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals of the control API as JSON: what is wrong, and in which field."""
    try:
        return await handler(request)
    except BadField as error:
        return _problem(400, error.field, str(error))
    except AmbiguousCustomer as error:
        return _problem(400, "page", str(error))
    except UnknownName as error:
        return _problem(404, error.field, str(error))
    except UnknownMessage as error:
        return _problem(404, "mid", f"no such message of the customer's: {error}")
    except NotOffered as error:
        return _problem(409, "title", str(error))
    except (NotPossible, NoLeadFlow) as error:
        return _problem(409, "psid", str(error))
    except GraphError as error:  # of a gesture that Facebook itself would refuse
        return _problem(409, "target", error.text)


async def read(request: web.Request, model: type[B], fixed: dict[str, JsonValue] | None = None) -> B:
    """The JSON body, which has to be declared as JSON: a form of another site cannot do that. Raises BadField."""
    if request.content_type != "application/json":
        raise BadField("Content-Type", "the body has to be application/json")
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError:
        raise BadField("body", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadField("body", "the body is not a JSON object")
    return validated(model, {**body, **(fixed or {})})


def validated(model: type[B], values: object) -> B:
    """Raises BadField."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "body"
        raise BadField(field, first["msg"].removeprefix("Value error, ")) from None


def person(world: World, request: web.Request) -> tuple[Page, str]:
    psid = request.match_info["psid"]
    return world.registry.page_of(psid, request.query.get("page")), psid


def acted(world: World, courier: Courier, page: Page, psid: str, act: Act) -> web.Response:
    """Lets the webhooks leave and shows what came of the gesture."""
    courier.post(act.webhooks)
    return shown(views.ActView(seq=act.seq, mid=act.mid, conversation=world.view(page, psid)))


def shown(model: BaseModel, status: int = 200) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), status=status, content_type="application/json")


def listed(name: str, models: Iterable[BaseModel]) -> web.Response:
    joined = ",".join(model.model_dump_json() for model in models)
    return web.Response(body=f'{{"{name}":[{joined}]}}'.encode(), content_type="application/json")


def _problem(status: int, field: str, message: str) -> web.Response:
    return web.json_response({"error": {"field": field, "message": message}}, status=status)
