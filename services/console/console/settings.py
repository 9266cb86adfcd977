"""The console's settings."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from runtime.settings import ServiceSettings

HOUR = 3600  # seconds


class ConsoleSettings(ServiceSettings):
    http_port: int = Field(8081, ge=0, le=65535, description="Port of the console's API, `/healthz` and `/metrics`.")
    public_url: str = Field(
        "http://127.0.0.1:8081",
        description="Where people reach the console; its origin may send commands, and https makes cookies Secure.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=8,
        description="Proxies in front of the console that set X-Forwarded-For; 0: the peer's address is the visitor's.",
    )
    session_idle: float = Field(
        12.0 * HOUR, gt=0, description="Seconds without a request after which an operator signs in anew."
    )
    session_lifetime: float = Field(
        7 * 24.0 * HOUR, gt=0, description="Seconds after which an operator signs in anew in any case."
    )
    login_window: float = Field(900.0, gt=0, description="Seconds in which failed sign-ins are counted.")
    login_account_limit: int = Field(
        10, ge=1, description="Failed sign-ins of one account within the window before more are refused."
    )
    login_address_limit: int = Field(
        50, ge=1, description="Failed sign-ins from one address within the window before more are refused."
    )
    command_timeout: float = Field(
        5.0, gt=0, le=60, description="Seconds until a command that the log did not acknowledge is answered 503."
    )
    publish_wait: float = Field(
        5.0, ge=0, le=60, description="Seconds that publishing a flow waits for the broker before it answers 202."
    )
    live_poll: float = Field(
        0.04, gt=0, le=5, description="Seconds between looks for new live events while a socket is open."
    )
    live_session_check: float = Field(
        2.0, gt=0, le=60, description="Seconds between checks that the sessions of open sockets still stand."
    )
    live_retention: float = Field(
        24.0 * HOUR, gt=0, description="Seconds that live events are kept; who resumes later re-reads."
    )
    live_slow: float = Field(
        10.0, gt=0, le=120, description="Seconds after which a socket that does not read is closed."
    )

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError("it is http(s)://host[:port][/path]")
        return url.rstrip("/")

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https:")
