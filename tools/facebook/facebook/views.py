"""What the control API shows of the box: no secret and no token among it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from facebook.conversation import ConversationView, Line
from facebook.courier import Courier
from facebook.faults import Faults
from facebook.pages import Behaviour, Customer, Page, Regime
from facebook.rules import Rule
from facebook.shapes import Shapes
from facebook.usage import Limits
from facebook.world import World


class View(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class AppView(View):
    """`verified` None: the handshake was not tried yet."""

    id: str
    name: str
    webhook_url: str
    verified: bool | None
    detail: str
    waiting: int
    failing: bool
    fields: list[str]
    require_proof: bool


class PageView(View):
    id: str
    name: str
    regime: Regime
    default_app: str | None
    primary: str | None
    takers: list[str]
    connected: list[str]
    inbox_is_receiver: bool
    behaviour: Behaviour
    shapes: Shapes
    limits: Limits
    subscriptions: dict[str, list[str]]


class RuleView(View):
    """`hits`: how often it answered. `is_spent`: as often as ordered."""

    id: int
    rule: Rule
    hits: int
    is_spent: bool


class RulesView(View):
    rules: list[RuleView]


class StateView(View):
    now: datetime
    ahead_s: float
    last_seq: int
    apps: list[AppView]
    pages: list[PageView]
    faults: Faults
    faults_of_page: dict[str, Faults]
    rules: list[RuleView]
    note: str = "State is kept in memory only: a restart forgets every conversation."


class TranscriptView(View):
    conversation: ConversationView
    customer: Customer
    lines: list[Line]


class ActView(View):
    """Answer to a gesture. `seq`: its place in the record; what follows from it comes after."""

    seq: int
    mid: str | None
    conversation: ConversationView


def state(world: World, courier: Courier) -> StateView:
    return StateView(
        now=world.now(),
        ahead_s=world.clock.ahead.total_seconds(),
        last_seq=world.record.last,
        apps=[app(world, courier, app_id) for app_id in world.registry.apps],
        pages=[page(world, one) for one in world.registry.pages.values()],
        faults=world.faults.general,
        faults_of_page=world.faults.of_page,
        rules=rules(world).rules,
    )


def rules(world: World) -> RulesView:
    return RulesView(
        rules=[
            RuleView(id=one.id, rule=one.rule, hits=one.hits, is_spent=one.is_spent)
            for one in world.faults.rules.ordered
        ]
    )


def app(world: World, courier: Courier, app_id: str) -> AppView:
    known = world.registry.app(app_id)
    verification = courier.verified.get(app_id)
    return AppView(
        id=known.id,
        name=known.name,
        webhook_url=known.webhook_url,
        verified=verification.ok if verification else None,
        detail=verification.detail if verification else "not asked yet",
        waiting=courier.waiting(app_id),
        failing=courier.failing(app_id),
        fields=sorted(world.registry.app_fields[app_id]),
        require_proof=known.require_proof,
    )


def page(world: World, known: Page) -> PageView:
    return PageView(
        id=known.id,
        name=known.name,
        regime=known.regime,
        default_app=known.default_app,
        primary=known.primary,
        takers=sorted(known.takers),
        connected=sorted(known.routing.connected),
        inbox_is_receiver=known.inbox_is_receiver,
        behaviour=known.behaviour,
        shapes=known.shapes,
        limits=known.limits,
        subscriptions={app.id: sorted(fields) for app, fields in world.registry.subscribers(known)},
    )


def transcript(world: World, known: Page, psid: str) -> TranscriptView:
    conversation = world.conversation(known.id, psid)
    return TranscriptView(
        conversation=world.view(known, psid),
        customer=world.registry.customer(known.id, psid),
        lines=list(conversation.lines),
    )
