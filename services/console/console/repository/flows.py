"""Flows: the draft that is worked on, and the versions made of it."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from console.flow_documents import (
    FlowCheck,
    FlowProblem,
    FlowSummary,
    StoredDraft,
    StoredVersion,
    recheck,
    refuse_errors,
)
from console.json_text import json_text
from console.problems import refuse, stale, unknown
from console.projection import Row
from console.repository.bots import Edit, change_bot_in, get_bot
from runtime.packing import pack
from runtime.postgres import Connection, Pool, statements, transaction
from runtime.records import Outgoing
from schemas.messages import Person
from schemas.topics import FLOWS

_SQL: Final = statements("console")


@dataclass(frozen=True, slots=True)
class Author:
    person: Person
    at: datetime


async def get_draft(source: Pool | Connection, bot: str, flow: str) -> StoredDraft:
    """Raises `Refusal` (404)."""
    row = await source.fetchrow(_SQL["flow_get"], flow)
    if row is None or row["bot"] != bot:
        raise unknown("flow")
    return _draft(row)


async def list_flows(pool: Pool, bot: str, limit: int) -> list[FlowSummary]:
    return [
        FlowSummary(
            flow=row["id"],
            bot=row["bot"],
            revision=row["revision"],
            published=row["published"],
            updated_at=row["updated_at"],
            updated_by=Person.model_validate_json(row["updated_by"]),
        )
        for row in await pool.fetch(_SQL["flow_list"], bot, limit)
    ]


async def add_draft(
    pool: Pool, bot: str, flow: str, document: str, check: FlowCheck, author: Author
) -> StoredDraft | None:
    """The new flow's first draft; None where there is a flow of that id. Raises `Refusal` (404) for an unknown bot."""
    async with transaction(pool) as tx:
        await get_bot(tx, bot)
        added = await tx.fetchval(
            _SQL["flow_add"],
            flow,
            bot,
            document,
            json_text(check.problems),
            author.at,
            author.person.model_dump_json(),
        )
        return await get_draft(tx, bot, flow) if added is not None else None


async def change_draft(
    pool: Pool, bot: str, flow: str, revision: int | None, document: str, check: FlowCheck, author: Author
) -> StoredDraft:
    """Raises `Refusal`: 409 when the flow is another bot's, 412 with who changed it when `revision` is not the present one."""
    async with transaction(pool) as tx:
        row = await tx.fetchrow(_SQL["flow_lock"], flow)
        if row is None:
            raise unknown("flow")
        if row["bot"] != bot:
            raise refuse(409, "flow_taken", "Another bot has a flow of this id.", field="flow")
        _check_revision(row, revision)
        await tx.execute(
            _SQL["flow_store"],
            flow,
            document,
            json_text(check.problems),
            author.at,
            author.person.model_dump_json(),
        )
        return await get_draft(tx, bot, flow)


async def add_version(
    pool: Pool, bot: str, flow: str, revision: int | None, note: str, author: Author
) -> StoredVersion:
    """A version of the draft as it is; the broker does not have it yet.

    Raises `Refusal`: 404, 412, 422 for errors in it; `RecordTooLarge`.
    """
    async with transaction(pool) as tx:
        row = await tx.fetchrow(_SQL["flow_lock"], flow)
        if row is None or row["bot"] != bot:
            raise unknown("flow")
        _check_revision(row, revision)
        draft = _draft(row)
        refuse_errors((await asyncio.to_thread(recheck, draft)).problems)
        added = await tx.fetchrow(
            _SQL["version_add"],
            flow,
            bot,
            draft.revision,
            draft.document,
            note,
            author.person.model_dump_json(),
            author.at,
        )
        assert added is not None  # noqa: S101 - an insert returns its row
        version = _version(added)
        pack([Outgoing(FLOWS, version.record())])
        return version


async def get_version(pool: Pool, bot: str, flow: str, version: int) -> StoredVersion:
    """Raises `Refusal` (404)."""
    row = await pool.fetchrow(_SQL["version_get"], flow, version)
    if row is None or row["bot"] != bot:
        raise unknown("version")
    return _version(row)


async def list_versions(pool: Pool, bot: str, flow: str, limit: int) -> list[StoredVersion]:
    """Newest first. Raises `Refusal` (404)."""
    await get_draft(pool, bot, flow)
    return [_version(row) for row in await pool.fetch(_SQL["version_list"], flow, limit)]


async def pending_versions(pool: Pool, limit: int) -> list[StoredVersion]:
    """Those that the broker did not acknowledge yet, oldest first."""
    return [_version(row) for row in await pool.fetch(_SQL["version_pending"], limit)]


async def version_acknowledged(pool: Pool, version: StoredVersion, now: datetime) -> None:
    """The broker has the version: from here on the bot points to it, unless it points to a later publication."""
    async with transaction(pool) as tx:
        if await tx.fetchval(_SQL["version_published"], version.order, now) is None:
            return  # another process was told before
        edit = Edit(by=version.published_by.id, at=now, version=None)
        await change_bot_in(tx, version.bot, edit, lambda bot: bot.points_to(version.ref, version.order))


def _check_revision(row: Row, revision: int | None) -> None:
    if revision is not None and revision != row["revision"]:
        by = Person.model_validate_json(row["updated_by_text"])
        raise stale(row["revision"], by, row["updated_at"])


def _draft(row: Row) -> StoredDraft:
    return StoredDraft(
        flow=row["id"],
        bot=row["bot"],
        revision=row["revision"],
        document=row["document"],
        problems=tuple(FlowProblem.model_validate(each) for each in json.loads(row["problems_text"])),
        updated_at=row["updated_at"],
        updated_by=Person.model_validate_json(row["updated_by_text"]),
    )


def _version(row: Row) -> StoredVersion:
    return StoredVersion(
        order=row["id"],
        flow=row["flow"],
        version=row["version"],
        bot=row["bot"],
        revision=row["revision"],
        document=row["document"],
        note=row["note"],
        published_by=Person.model_validate_json(row["published_by_text"]),
        created_at=row["created_at"],
        published_at=row["published_at"],
    )
