"""The public doors: the console's HTTP API, Facebook in a box, the mail catcher. Nothing else is touched."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar
from urllib.parse import quote

from aiohttp import ClientResponse, ClientSession, ClientTimeout, CookieJar

from story.answers import (
    Chat,
    Command,
    Conversation,
    ConversationAnswer,
    Entries,
    Entry,
    Mail,
    Sent,
    ThreadChange,
    ThreadChanges,
)

T = TypeVar("T")
TIMEOUT = ClientTimeout(total=15)  # seconds for one request
LOOK = 0.05  # seconds between two looks at something that is waited for
PATIENCE = 30.0  # seconds until a fact that should come counts as missing


class Refused(Exception):
    """A door answered with a refusal."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status} {body[:500]}")
        self.status = status
        self.body = body


class Missing(Exception):
    """A fact did not come in time."""

    def __init__(self, what: str, seconds: float, last: object) -> None:
        super().__init__(f"{what}: not within {seconds:.0f} s; last seen: {last}")


async def eventually(
    what: str, look: Callable[[], Awaitable[T]], fits: Callable[[T], bool], within: float = PATIENCE
) -> T:
    """Look until it fits; raise Missing when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        seen = await look()
        if fits(seen):
            return seen
        if loop.time() > end:
            raise Missing(what, within, seen)
        await asyncio.sleep(LOOK)


class Door:
    """JSON over HTTP."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._http = ClientSession(timeout=TIMEOUT, cookie_jar=CookieJar(unsafe=True))
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer's JSON, None where there is none; raise Refused."""
        async with self._http.request(
            method, self._base + path, json=body, headers={**self.headers, **headers}
        ) as answer:
            return await self._read(method, path, answer)

    async def put_text(self, path: str, text: str, content_type: str, **headers: str) -> Any:
        async with self._http.put(
            self._base + path,
            data=text.encode(),
            headers={**self.headers, **headers, "Content-Type": content_type},
        ) as answer:
            return await self._read("PUT", path, answer)

    @staticmethod
    async def _read(method: str, path: str, answer: ClientResponse) -> Any:
        if answer.status >= 400:
            raise Refused(method, path, answer.status, await answer.text())
        return await answer.json(content_type=None) if answer.status != 204 else None


class Console(Door):
    """An operator at work."""

    def __init__(self, base: str) -> None:
        super().__init__(f"{base}/api/v1")

    async def sign_in(self, email: str, password: str) -> None:
        answer = await self.ask("POST", "/session", {"email": email, "password": password})
        self.headers["X-CSRF-Token"] = answer["csrf_token"]

    async def conversation(self, key: str) -> Conversation | None:
        """None: the console has not heard of it yet."""
        try:
            answer = await self.ask("GET", f"/conversations/{quote(key, safe='')}")
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return ConversationAnswer.model_validate(answer).conversation

    async def entries(self, key: str, after: int = 0) -> tuple[Entry, ...]:
        path = f"/conversations/{quote(key, safe='')}/entries?after={after}&limit=100"
        try:
            return Entries.model_validate(await self.ask("GET", path)).items
        except Refused as refused:
            if refused.status == 404:
                return ()
            raise

    async def command(self, key: str, what: str, body: dict[str, object]) -> Command:
        """Hand a command in and wait for what became of it."""
        path = f"/conversations/{quote(key, safe='')}/{what}"
        sent = Sent.model_validate(await self.ask("POST", path, body, **{"Idempotency-Key": secrets.token_urlsafe(12)}))

        async def outcome() -> Command:
            return Command.model_validate(await self.ask("GET", f"/commands/{quote(sent.command, safe='')}"))

        return await eventually(f"the outcome of {what}", outcome, lambda command: command.status != "pending")


class Facebook(Door):
    """The customer's phone, and staff at the Page Inbox."""

    async def meet(self, page: str, first_name: str, last_name: str) -> str:
        """A customer who never wrote before; returns the PSID."""
        body = {"first_name": first_name, "last_name": last_name}
        return str((await self.ask("POST", f"/box/pages/{page}/customers", body))["psid"])

    async def says(self, page: str, psid: str, text: str) -> None:
        await self.ask("POST", f"/box/customers/{psid}/say?page={page}", {"text": text})

    async def picks(self, page: str, psid: str, title: str) -> None:
        await self.ask("POST", f"/box/customers/{psid}/quick_reply?page={page}", {"title": title})

    async def staff(self, page: str, psid: str, gesture: str, body: dict[str, str] | None = None) -> None:
        await self.ask("POST", f"/box/inbox/{psid}/{gesture}?page={page}", body or {})

    async def chat(self, page: str, psid: str) -> Chat:
        return Chat.model_validate(await self.ask("GET", f"/box/conversations/{page}/{psid}"))

    async def thread_changes(self, page: str, psid: str) -> tuple[ThreadChange, ...]:
        """What became of the thread, by whom, in its order."""
        path = f"/box/record?page={page}&psid={psid}&kind=thread_control"
        return ThreadChanges.model_validate(await self.ask("GET", path)).entries


class MailCatcher(Door):
    async def about(self, conversation: str) -> tuple[Mail, ...]:
        """The mails whose link leads to this conversation."""
        found = await self.ask("GET", "/mails?limit=1000")
        mails = [Mail.model_validate(each) for each in found["mails"]]
        return tuple(mail for mail in mails if f"/inbox/{conversation}" in mail.text)
