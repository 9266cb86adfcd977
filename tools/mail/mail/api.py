"""The JSON API over the mails: for tests, and for the page."""

import json
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mail.faults import FaultBook, Faults
from mail.message import Mail
from mail.postbox import Answer, Kept, Postbox

# A mail's HTML may look as it likes and do nothing: no script, no request to anywhere; links open outside the frame.
FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'"
)

B = TypeVar("B", bound=BaseModel)


class Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    to: str | None = None
    after: int = Field(default=0, ge=0)
    wait: float = Field(default=0, ge=0, le=120)
    limit: int = Field(default=1000, ge=1, le=100_000)


class MailList(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    mails: list[Mail]
    last: int
    total: int
    note: str = "Mails are kept in memory only: a restart forgets them."


class AnswerList(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    answers: list[Answer]


class BadField(Exception):
    """The request cannot be understood; `field` names where."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


class MailApi:
    def __init__(self, postbox: Postbox, faults: FaultBook) -> None:
        self._postbox = postbox
        self._book = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/mails", self._list),
            web.delete("/mails", self._clear),
            web.get("/mails/{id:[0-9]+}", self._mail),
            web.get("/mails/{id:[0-9]+}/html", self._html),
            web.get("/mails/{id:[0-9]+}/raw", self._raw),
            web.get("/record", self._record),
            web.get("/faults", self._faults),
            web.put("/faults", self._put_faults),
            web.patch("/faults", self._change_faults),
            web.delete("/faults", self._clear_faults),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        query = _validated(Query, dict(request.query))
        found = await self._postbox.wait(query.to, query.after, query.limit, query.wait)
        return _shown(MailList(mails=list(found), last=self._postbox.last, total=len(self._postbox)))

    async def _clear(self, _request: web.Request) -> web.Response:
        self._postbox.clear()
        return _shown(MailList(mails=[], last=self._postbox.last, total=0))

    async def _mail(self, request: web.Request) -> web.Response:
        return _shown(self._kept(request).mail)

    async def _html(self, request: web.Request) -> web.Response:
        html = self._kept(request).mail.html
        if html is None:
            raise web.HTTPNotFound(text="the mail has no HTML part")
        # Links of a mail would otherwise open inside the frame.
        return web.Response(
            text='<base target="_blank">' + html,
            content_type="text/html",
            headers={"Content-Security-Policy": FRAME_POLICY},
        )

    async def _raw(self, request: web.Request) -> web.Response:
        kept = self._kept(request)
        name = f'attachment; filename="mail-{kept.mail.id}.eml"'
        return web.Response(body=kept.raw, content_type="message/rfc822", headers={"Content-Disposition": name})

    async def _record(self, request: web.Request) -> web.Response:
        query = _validated(Query, dict(request.query))
        return _shown(AnswerList(answers=self._postbox.answers(query.after)))

    async def _faults(self, _request: web.Request) -> web.Response:
        return _shown(self._book.now)

    async def _put_faults(self, request: web.Request) -> web.Response:
        self._book.now = await _body(request, Faults)
        return _shown(self._book.now)

    async def _change_faults(self, request: web.Request) -> web.Response:
        change = await _body(request, Faults)
        given = {name: getattr(change, name) for name in change.model_fields_set}
        self._book.now = self._book.now.model_copy(update=given)
        return _shown(self._book.now)

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._book.now = Faults()
        return _shown(self._book.now)

    def _kept(self, request: web.Request) -> Kept:
        kept = self._postbox.get(int(request.match_info["id"]))
        if kept is None:
            raise web.HTTPNotFound(text="no such mail; it may have been deleted")
        return kept


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals as JSON: what is wrong, and in which field."""
    try:
        return await handler(request)
    except BadField as error:
        return web.json_response({"error": {"field": error.field, "message": str(error)}}, status=400)


async def _body(request: web.Request, model: type[B]) -> B:
    """The JSON body, which has to be declared as JSON: a form of another site cannot do that."""
    if request.content_type != "application/json":
        raise BadField("Content-Type", "the body has to be application/json")
    try:
        body = json.loads(await request.text())
    except ValueError:
        raise BadField("body", "the body is not JSON") from None
    return _validated(model, body)


def _validated(model: type[B], values: object) -> B:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadField(".".join(str(step) for step in first["loc"]) or "body", first["msg"]) from None


def _shown(model: BaseModel) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), content_type="application/json")
