"""The control API of people: what customers do in Messenger and staff in the Page Inbox comes in here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from facebook import control, customers, inbox
from facebook.bodies import (
    AccountLink,
    Delivered,
    Edit,
    LeadEnded,
    Mid,
    Nothing,
    Optin,
    Pick,
    Press,
    React,
    Referral,
    Reply,
    Say,
)
from facebook.courier import Courier
from facebook.events import QuickReplyPicked
from facebook.pages import Page
from facebook.world import Act, World

B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Gesture(Generic[B]):
    """What `POST .../{name}` takes, and what it does."""

    body: type[B]
    do: Callable[[World, Page, str, B], Act]

    def handler(self, world: World, courier: Courier) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            page, psid = control.person(world, request)
            body = await control.read(request, self.body)
            return control.acted(world, courier, page, psid, self.do(world, page, psid, body))

        return handle


def _pick(world: World, page: Page, psid: str, body: Pick) -> Act:
    if body.stale:
        picked = QuickReplyPicked(body.title or "", body.payload or "")
    else:
        picked = customers.on_offer(world, page, psid, body.title, body.payload)
    return customers.pick(world, page, psid, picked)


CUSTOMER: dict[str, Gesture[Any]] = {  # each with a body of its own
    "say": Gesture(Say, lambda world, page, psid, body: customers.say(world, page, psid, body.said)),
    "quick_reply": Gesture(Pick, _pick),
    "postback": Gesture(
        Press,
        lambda world, page, psid, body: customers.press(world, page, psid, body.payload, body.title, body.came_by),
    ),
    "read": Gesture(Nothing, lambda world, page, psid, _body: customers.read(world, page, psid)),
    "deliver": Gesture(Delivered, lambda world, page, psid, body: customers.deliver(world, page, psid, body.mids)),
    "edit": Gesture(Edit, lambda world, page, psid, body: customers.edit(world, page, psid, body.mid, body.text)),
    "unsend": Gesture(Mid, lambda world, page, psid, body: customers.unsend(world, page, psid, body.mid)),
    "react": Gesture(
        React,
        lambda world, page, psid, body: customers.react(world, page, psid, body.mid, body.reaction, body.emoji),
    ),
    "referral": Gesture(Referral, lambda world, page, psid, body: customers.come(world, page, psid, body.said)),
    "optin": Gesture(Optin, lambda world, page, psid, body: customers.opt_in(world, page, psid, body.said)),
    "account_linking": Gesture(
        AccountLink,
        lambda world, page, psid, body: customers.link_account(world, page, psid, body.authorization_code),
    ),
    "message_request": Gesture(Nothing, lambda world, page, psid, _body: customers.ask_to_write(world, page, psid)),
    "lead_begin": Gesture(Nothing, lambda world, page, psid, _body: customers.begin_lead(world, page, psid)),
    "lead_end": Gesture(LeadEnded, lambda world, page, psid, body: customers.end_lead(world, page, psid, body.end)),
}
STAFF: dict[str, Gesture[Any]] = {
    "reply": Gesture(Reply, lambda world, page, psid, body: inbox.reply(world, page, psid, body.text)),
    "move_to_main": Gesture(Nothing, lambda world, page, psid, _body: inbox.move_to_main(world, page, psid)),
    "move_to_done": Gesture(Nothing, lambda world, page, psid, _body: inbox.move_to_done(world, page, psid)),
}


def routes(world: World, courier: Courier) -> list[web.RouteDef]:
    return [
        *(
            web.post(f"/box/customers/{{psid:[0-9]+}}/{name}", gesture.handler(world, courier))
            for name, gesture in CUSTOMER.items()
        ),
        *(
            web.post(f"/box/inbox/{{psid:[0-9]+}}/{name}", gesture.handler(world, courier))
            for name, gesture in STAFF.items()
        ),
    ]
