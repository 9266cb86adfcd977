"""Settings of the notifier, beside those that every service has."""

from email.errors import HeaderParseError
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from notifier.smtp import server_of
from runtime.settings import ServiceSettings


def _one_sender(text: str) -> str:
    message = EmailMessage()
    try:
        message["From"] = text
    except (ValueError, HeaderParseError):
        raise ValueError("must be an address such as Convoboss <noreply@example.org>") from None
    header = message["From"]
    if not isinstance(header, AddressHeader) or len(header.addresses) != 1 or not header.addresses[0].domain:
        raise ValueError("must be one address such as Convoboss <noreply@example.org>")
    return text


def _readable(url: SecretStr) -> SecretStr:
    server_of(url)
    return url


class NotifierSettings(ServiceSettings):
    http_port: int = Field(8087, ge=0, le=65535, description="Port of the service's own pages.")
    public_url: str = Field(
        "http://127.0.0.1:8081", pattern=r"^https?://[^/\s]", description="Where operators reach the console: in links."
    )
    smtp_url: Annotated[SecretStr, AfterValidator(_readable)] = Field(
        SecretStr("smtp://127.0.0.1:8025"),
        description="Mail server: `smtp://host:port`, `smtps://user:password@host`, or `smtp+starttls://user:password@host`.",
    )
    mail_from: Annotated[str, AfterValidator(_one_sender)] = Field(
        "Convoboss <noreply@localhost>", description="Sender of e-mails."
    )
    mail_timeout: float = Field(
        30.0, gt=0.0, le=300.0, description="Seconds for one e-mail, from connecting to the server's last answer."
    )
    mail_parallel: int = Field(4, ge=1, le=50, description="Most e-mails, and connections to the mail server, at once.")
    mail_keep_days: int = Field(
        90, ge=31, description="Days until the record of an e-mail is deleted; longer than `outcomes` keeps its events."
    )
