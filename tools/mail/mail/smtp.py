"""The SMTP side: what a client's commands are answered."""

import asyncio
import logging

from aiosmtpd.smtp import SMTP, Envelope, Session

from mail.faults import FaultBook
from mail.postbox import Postbox

LARGEST = 10 * 2**20  # bytes of a mail

logger = logging.getLogger("mail.smtp")


class Catcher:
    """aiosmtpd calls these by name; the returned text is the answer."""

    def __init__(self, postbox: Postbox, faults: FaultBook) -> None:
        self._postbox = postbox
        self._faults = faults

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        sender = envelope.mail_from or ""
        if self._faults.now.refuses(address):
            self._postbox.note("refused", sender, (address,))
            return "550 5.1.1 No such mailbox here"
        if self._faults.spend_4xx("rcpt"):
            self._postbox.note("deferred", sender, (address,))
            return "451 4.3.0 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        sender, recipients = envelope.mail_from or "", tuple(envelope.rcpt_tos)
        await asyncio.sleep(self._faults.now.slow_s)
        if self._faults.spend_4xx("data"):
            self._postbox.note("deferred", sender, recipients)
            return "451 4.3.0 Try again later"
        mail = self._postbox.put(sender, recipients, _bytes(envelope.original_content))
        if self._faults.spend_lost():
            self._postbox.note("lost", sender, recipients, mail.id)
            _cut(server)
        else:
            self._postbox.note("accepted", sender, recipients, mail.id)
        return f"250 2.0.0 OK, kept as {mail.id}"


def protocol(catcher: Catcher) -> SMTP:
    """One connection."""
    return SMTP(
        catcher,
        data_size_limit=LARGEST,
        enable_SMTPUTF8=True,
        hostname="mail.catcher",
        ident="mail catcher",
        loop=asyncio.get_running_loop(),
    )


async def listen(catcher: Catcher, host: str, port: int) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(lambda: protocol(catcher), host, port)


def _cut(server: SMTP) -> None:
    """The connection dies before the answer: the client cannot know whether the mail was taken."""
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


def _bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else b""
