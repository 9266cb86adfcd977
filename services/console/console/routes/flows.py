"""Flows: validate, keep a draft, publish, look at versions."""

import asyncio
from typing import Annotated

from pydantic import Field

from console.flow_documents import (
    Draft,
    FlowCheck,
    FlowSummary,
    ReadDocument,
    Version,
    VersionWithDocument,
    checked,
    read,
)
from console.paging import LIMIT, Limit
from console.paths import BotPath, FlowPath, VersionPath
from console.preconditions import etag, wanted_version
from console.registry import PREFIX, Call, Input, Nothing, Output, Parameters, RawDocument, Reply, Routes
from console.repository import flows as repository
from console.repository.flows import Author
from schemas.flows import MAX_DOCUMENT

routes = Routes("Flows")

MAX_NOTE = 500  # characters


class FlowQuery(Parameters):
    limit: Limit = LIMIT


class FlowList(Output):
    items: tuple[FlowSummary, ...]


class VersionList(Output):
    """Newest first."""

    items: tuple[Version, ...]


class PublishBody(Input):
    """`note`: what is new, for colleagues."""

    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


@routes.route(
    "POST", "/flows/validate", "validateFlow", body=RawDocument, max_body=MAX_DOCUMENT, responses={200: FlowCheck}
)
async def validate_flow(call: Call[Nothing, Nothing, RawDocument]) -> Reply:
    """Checks a document, JSON or YAML, and keeps nothing."""
    _, check = await asyncio.to_thread(_read_and_check, call.body, None)
    return Reply(200, check)


@routes.route("GET", "/bots/{bot}/flows", "listFlows", path_model=BotPath, query=FlowQuery, responses={200: FlowList})
async def list_flows(call: Call[BotPath, FlowQuery, Nothing]) -> Reply:
    """The bot's flows, by id."""
    found = await repository.list_flows(call.services.pool, call.path.bot, call.query.limit)
    return Reply(200, FlowList(items=tuple(found)))


@routes.route("GET", "/bots/{bot}/flows/{flow}/draft", "getDraft", path_model=FlowPath, responses={200: Draft})
async def get_draft(call: Call[FlowPath, Nothing, Nothing]) -> Reply:
    """The draft with what is wrong with it."""
    draft = await repository.get_draft(call.services.pool, call.path.bot, call.path.flow)
    return Reply(200, draft.view(), etag(draft.revision))


@routes.route(
    "PUT",
    "/bots/{bot}/flows/{flow}/draft",
    "putDraft",
    path_model=FlowPath,
    body=RawDocument,
    max_body=MAX_DOCUMENT,
    responses={200: Draft, 201: Draft},
    problems=(409,),
    if_match=True,
)
async def put_draft(call: Call[FlowPath, Nothing, RawDocument]) -> Reply:
    """Imports a document, JSON or YAML, as the flow's draft. It may have errors: publishing refuses them."""
    bot, flow = call.path.bot, call.path.flow
    author = Author(call.operator.person, call.services.now())
    document, check = await asyncio.to_thread(_read_and_check, call.body, flow)
    if call.header("If-Match") in {None, "*"}:
        added = await repository.add_draft(call.services.pool, bot, flow, document.text, check, author)
        if added is not None:
            return Reply(201, added.view(), etag(added.revision))
    revision = wanted_version(call.request.headers)
    draft = await repository.change_draft(call.services.pool, bot, flow, revision, document.text, check, author)
    return Reply(200, draft.view(), etag(draft.revision))


@routes.route(
    "POST",
    "/bots/{bot}/flows/{flow}/publish",
    "publishFlow",
    path_model=FlowPath,
    body=PublishBody,
    responses={201: Version, 202: Version},
    if_match=True,
)
async def publish_flow(call: Call[FlowPath, Nothing, PublishBody]) -> Reply:
    """Makes a version of the draft; the bot follows it as soon as the broker has it (201), which may take longer (202)."""
    services, bot, flow = call.services, call.path.bot, call.path.flow
    revision = wanted_version(call.request.headers)
    author = Author(call.operator.person, services.now())
    version = await repository.add_version(services.pool, bot, flow, revision, call.body.note, author)
    await services.flows.publish_within(version, services.settings.publish_wait)
    version = await repository.get_version(services.pool, bot, flow, version.version)
    return Reply(
        201 if version.published_at else 202,
        version.view(),
        {"Location": f"{PREFIX}/bots/{bot}/flows/{flow}/versions/{version.version}"},
    )


@routes.route(
    "GET",
    "/bots/{bot}/flows/{flow}/versions",
    "listVersions",
    path_model=FlowPath,
    query=FlowQuery,
    responses={200: VersionList},
)
async def list_versions(call: Call[FlowPath, FlowQuery, Nothing]) -> Reply:
    """What was published, by whom, when."""
    found = await repository.list_versions(call.services.pool, call.path.bot, call.path.flow, call.query.limit)
    return Reply(200, VersionList(items=tuple(version.view() for version in found)))


@routes.route(
    "GET",
    "/bots/{bot}/flows/{flow}/versions/{version}",
    "getVersion",
    path_model=VersionPath,
    responses={200: VersionWithDocument},
)
async def get_version(call: Call[VersionPath, Nothing, Nothing]) -> Reply:
    """A published version with its document."""
    path = call.path
    version = await repository.get_version(call.services.pool, path.bot, path.flow, path.version)
    return Reply(200, version.whole())


def _read_and_check(body: RawDocument, flow: str | None) -> tuple[ReadDocument, FlowCheck]:
    """In a thread: a large YAML document takes seconds to read."""
    document = read(body)
    return document, checked(document, flow)
