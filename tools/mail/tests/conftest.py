"""The catcher on free ports, reached by a real SMTP client and over HTTP."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import aiohttp
import pytest

from mail.main import Running, running
from mail.settings import Settings

NOOR, LEA = "noor@example.org", "lea@example.org"


def letter(subject: str = "A customer waits", text: str = "Grüße 😀", html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Convoboss <bot@example.org>"
    message["To"] = NOOR
    message["Subject"] = subject
    message["Message-ID"] = "<episode-1@example.org>"
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


@dataclass
class Catcher:
    where: Running
    session: aiohttp.ClientSession

    async def post(self, message: EmailMessage | None = None, *recipients: str, seconds: float = 10) -> dict[str, Any]:
        """Sends by SMTP; returns the refused recipients as smtplib does."""
        return await asyncio.to_thread(self._post, message or letter(), recipients or (NOOR,), seconds)

    def _post(self, message: EmailMessage, recipients: tuple[str, ...], seconds: float) -> dict[str, Any]:
        with smtplib.SMTP(*self.where.smtp, timeout=seconds) as client:
            return client.send_message(message, to_addrs=list(recipients))

    async def get(self, path: str, **query: Any) -> Any:
        async with self.session.get(path, params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def mails(self, **query: Any) -> list[dict[str, Any]]:
        return (await self.get("/mails", **query))["mails"]

    async def answers(self) -> list[tuple[str, list[str]]]:
        return [(one["what"], one["recipients"]) for one in (await self.get("/record"))["answers"]]

    async def faults(self, **faults: Any) -> None:
        async with self.session.put("/faults", json=faults) as response:
            assert response.status == 200, await response.text()


@pytest.fixture
def write() -> Callable[..., EmailMessage]:
    return letter


@pytest.fixture
async def catcher() -> AsyncIterator[Catcher]:
    settings = Settings(http_port=0, mail_smtp_port=0, mail_keep=5)
    async with running(settings) as where, aiohttp.ClientSession(f"http://127.0.0.1:{where.http[1]}") as session:
        yield Catcher(where, session)
