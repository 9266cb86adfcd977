"""The mail server: one message at a time over few connections, and what its answers mean."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
from email_validator import EmailNotValidError, validate_email
from pydantic import SecretStr

Mode = Literal["smtp", "smtps", "smtp+starttls"]
PORTS: Final[dict[Mode, int]] = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
IDLE: Final = 10.0  # seconds that a connection is kept for the next message
QUIT: Final = 2.0  # seconds for a polite goodbye
CLOSING: Final = 421  # "service not available, closing transmission channel"
FINAL: Final = 500  # from here on an answer is for good (RFC 5321, 4.2.1)
MAX_REASON: Final = 500  # characters of a server's answer that are kept


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, from its URL."""

    host: str
    port: int
    mode: Mode
    username: str | None = None
    password: SecretStr | None = None


def server_of(url: SecretStr) -> Server:
    """Raise ValueError, whose text does not show the URL."""
    try:
        parts = urlsplit(url.get_secret_value())
        port = parts.port
    except ValueError:  # its own text shows a password that has a slash in it
        raise ValueError("is no URL; a user or password with / @ : # in it is written with %2F %40 %3A %23") from None
    modes: dict[str, Mode] = {"smtp": "smtp", "smtps": "smtps", "smtp+starttls": "smtp+starttls"}
    mode = modes.get(parts.scheme)
    if mode is None or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ValueError("must be smtp://host:port, smtps://user:password@host or smtp+starttls://user:password@host")
    if parts.password and mode == "smtp" and not _is_local(parts.hostname):
        raise ValueError("would send the password in clear: use smtps:// or smtp+starttls://")
    return Server(
        parts.hostname,
        port or PORTS[mode],
        mode,
        unquote(parts.username) if parts.username else None,
        SecretStr(unquote(parts.password)) if parts.password else None,
    )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class NotSent(Exception):
    """The message was not sent, as the server told or because it was never asked."""


class Later(NotSent):
    """Trying again can help: the server is away, busy, or refuses us rather than this message."""


class Refused(NotSent):
    """The server will not take this message for this recipient, ever."""


class Unknown(Exception):
    """The connection was lost while the message was on its way: it may or may not have been taken."""


def envelope_address(address: str) -> str:
    """The address as every server understands it. Raise Refused where there is no such form."""
    try:
        plain = validate_email(address, check_deliverability=False).ascii_email
    except EmailNotValidError as error:
        raise Refused(str(error)) from None
    if plain is None:
        raise Refused("the part before @ is not ASCII, which few mail servers take")
    return plain


class Mailer:
    """Sends over at most a few connections, each kept for a short while for the next message.

    The caller bounds how many sends are under way and how long one may take.
    """

    def __init__(self, server: Server, *, sender: str, hello: str, timeout: float, clock: Callable[[], float]) -> None:
        self._server = server
        self._sender = sender
        self._hello = hello
        self._timeout = timeout
        self._clock = clock
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["Connection"]:
        """A connection that is ready to send. Raise Later."""
        client = await self._ready()
        connection = Connection(client, self._sender)
        try:
            yield connection
        finally:
            if connection.clean and client.is_connected:
                self._idle.append((self._clock(), client))
            else:
                client.close()

    async def close(self) -> None:
        """Says goodbye on idle connections."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(client) for _, client in idle))

    async def close_idle(self) -> None:
        """Closes connections that were not used for a while."""
        stale = [client for since, client in self._idle if self._clock() - since > IDLE]
        self._idle = [(since, client) for since, client in self._idle if client not in stale]
        await asyncio.gather(*(_quit(client) for client in stale))

    async def _ready(self) -> aiosmtplib.SMTP:
        while self._idle:
            since, client = self._idle.pop()
            if self._clock() - since <= IDLE and client.is_connected:
                try:
                    await client.rset()  # a connection that died meanwhile is found out before a message is on its way
                except (aiosmtplib.SMTPException, OSError):
                    client.close()
                else:
                    return client
            else:
                client.close()
        return await self._connected()

    async def _connected(self) -> aiosmtplib.SMTP:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password.get_secret_value() if server.password else None,
            use_tls=server.mode == "smtps",
            start_tls=server.mode == "smtp+starttls",
            local_hostname=self._hello,
            timeout=self._timeout,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()  # now, for what comes after `connection` should take no longer than it must
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise Later(reason(error)) from error
        except BaseException:
            client.close()
            raise
        return client


class Connection:
    """One message after another: `offer` it, then `transmit` it. `clean`: fit for the next one."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender
        self.clean = True

    async def offer(self, recipient: str) -> None:
        """The server takes mail from us for `recipient`; nothing of it has left yet. Raise Later or Refused."""
        self.clean = False
        await self._step(self._client.mail(self._sender), about_message=False)
        await self._step(self._client.rcpt(recipient), about_message=True)
        self.clean = True

    async def transmit(self, message: bytes) -> str:
        """The server's last answer. Raise Later, Refused or Unknown."""
        self.clean = False
        try:
            answer = await self._client.data(message)
        except aiosmtplib.SMTPResponseException as error:
            raise self._told(error, about_message=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unknown(reason(error)) from error
        self.clean = True
        return answer.message[:MAX_REASON]

    async def _step(self, command: Awaitable[object], *, about_message: bool) -> None:
        try:
            await command
        except aiosmtplib.SMTPResponseException as error:
            raise self._told(error, about_message=about_message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Later(reason(error)) from error

    def _told(self, error: aiosmtplib.SMTPResponseException, *, about_message: bool) -> NotSent:
        """5xx is final for a recipient or a message; about the sender, or 421, it is about us."""
        self.clean = error.code != CLOSING
        return Refused(reason(error)) if about_message and error.code >= FINAL else Later(reason(error))


async def _quit(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=QUIT)
    client.close()


def reason(error: BaseException) -> str:
    """For the record: code and text of an answer, or what went wrong on the way."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"[:MAX_REASON]
    return f"{type(error).__name__}: {error}"[:MAX_REASON]
