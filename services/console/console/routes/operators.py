"""Accounts of operators; for admins."""

from typing import Annotated

from pydantic import EmailStr, Field, SecretStr

from console.operators import MAX_BOTS, MAX_PASSWORD, MIN_PASSWORD, BotId, Operator, Role
from console.paging import PageQuery, decoded, encoded
from console.paths import OperatorPath
from console.registry import Call, Input, Nothing, Output, Reply, Routes
from console.repository import accounts
from console.repository.accounts import NewOperator, OperatorChange

routes = Routes("Operators")

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Password = Annotated[SecretStr, Field(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]
Bots = Annotated[tuple[BotId, ...], Field(max_length=MAX_BOTS)]


class OperatorBody(Input):
    """`bots`: whose conversations they see; an admin sees all."""

    email: Annotated[EmailStr, Field(max_length=254)]
    name: Name
    password: Password
    role: Role = "operator"
    bots: Bots = ()


class OperatorPatch(Input):
    """What is left out stays as it is. `active` false ends the sessions, and so does a new password."""

    name: Name | None = None
    role: Role | None = None
    bots: Bots | None = None
    active: bool | None = None
    password: Password | None = None


class OperatorPage(Output):
    items: tuple[Operator, ...]
    next: str | None


@routes.route("GET", "/operators", "listOperators", query=PageQuery, responses={200: OperatorPage})
async def list_operators(call: Call[Nothing, PageQuery, Nothing]) -> Reply:
    """All operators by e-mail."""
    after = decoded(call.query.cursor, 1)
    found = await accounts.list_operators(call.services.pool, after[0] if after else "", call.query.limit + 1)
    items = tuple(found[: call.query.limit])
    more = len(found) > call.query.limit
    return Reply(200, OperatorPage(items=items, next=encoded(items[-1].email) if more else None))


@routes.route("POST", "/operators", "createOperator", body=OperatorBody, responses={201: Operator}, problems=(409,))
async def create_operator(call: Call[Nothing, Nothing, OperatorBody]) -> Reply:
    """Makes an account."""
    body, services = call.body, call.services
    new = NewOperator(
        id=services.random(16).hex(),
        email=body.email.lower(),
        name=body.name,
        role=body.role,
        bots=tuple(dict.fromkeys(body.bots)),
        password_hash=await services.passwords.hash(body.password.get_secret_value()),
        created_at=services.now(),
    )
    return Reply(201, await accounts.add_operator(services.pool, new))


@routes.route("GET", "/operators/{operator}", "getOperator", path_model=OperatorPath, responses={200: Operator})
async def get_operator(call: Call[OperatorPath, Nothing, Nothing]) -> Reply:
    """One account."""
    return Reply(200, await accounts.get_operator(call.services.pool, call.path.operator))


@routes.route(
    "PATCH",
    "/operators/{operator}",
    "updateOperator",
    path_model=OperatorPath,
    body=OperatorPatch,
    responses={200: Operator},
    problems=(409,),
)
async def update_operator(call: Call[OperatorPath, Nothing, OperatorPatch]) -> Reply:
    """Changes an account. The last active admin stays one."""
    body, services = call.body, call.services
    password = body.password.get_secret_value() if body.password else None
    change = OperatorChange(
        name=body.name,
        role=body.role,
        bots=None if body.bots is None else tuple(dict.fromkeys(body.bots)),
        active=body.active,
        password_hash=None if password is None else await services.passwords.hash(password),
    )
    changed = await accounts.change_operator(services.pool, call.path.operator, change, services.now())
    services.relay.wake()
    return Reply(200, changed)
