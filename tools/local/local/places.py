"""Where everything is reached, and the environment that tells the services so."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from local import catalogue, paths
from local.credentials import Credentials

GRAPH_VERSION = "v26.0"
SLOW_WORD = "take your time"  # a customer who writes this gets a slow turn: one step of the story is about that
DATABASE_POOL = "3"  # connections a service: each is a process of some MiB, and two cores do no more at once
SMTP = "smtp"  # the mail catcher's second port


@dataclass(frozen=True, slots=True)
class Places:
    """The public doors of a running stack, as seeding and the story use them.

    `facebook` and `mail` are the pages of the stand-ins; None when the real thing is connected.
    """

    ingress: str
    console: str
    public: str
    graph: str
    facebook: str | None
    mail: str | None
    kafka: str
    database: str = field(repr=False)  # a real one's URL may hold a password


@dataclass(frozen=True, slots=True)
class Plan:
    """Which stand-ins run, and on which ports: decided once, before anything starts."""

    kafka: str
    database: str = field(repr=False)
    graph: str
    smtp: str = field(repr=False)
    public: str
    programs: tuple[catalogue.Program, ...]
    ports: Mapping[str, int]  # of what runs here, and "smtp"
    connected: frozenset[str]  # the settings that name the real world

    def places(self) -> Places:
        return Places(
            ingress=self.address(catalogue.INGRESS),
            console=self.address(catalogue.CONSOLE),
            public=self.public,
            graph=self.graph,
            facebook=self.address(catalogue.FACEBOOK) if catalogue.FACEBOOK in self.programs else None,
            mail=self.address(catalogue.MAIL) if catalogue.MAIL in self.programs else None,
            kafka=self.kafka,
            database=self.database,
        )

    def address(self, program: catalogue.Program) -> str:
        return f"http://127.0.0.1:{self.ports.get(program.name, program.port)}"

    def environment(self, program: catalogue.Program, credentials: Credentials) -> dict[str, str]:
        """The whole environment of a program. Where the person's own environment names a value, it stands."""
        suggested = {
            "CONVOBOSS_PUBLIC_URL": self.public,
            "CONVOBOSS_SECRET_KEYS": credentials.secret_keys,
            "CONVOBOSS_DATABASE_POOL": DATABASE_POOL,
            "CONVOBOSS_DRILL_SLOW_KEYWORD": SLOW_WORD,
            "CONVOBOSS_FACEBOOK_PAGE_NAME": "Salon Mira",
            "CONVOBOSS_FACEBOOK_APP_SECRET": credentials.app_secret,
            "CONVOBOSS_FACEBOOK_VERIFY_TOKEN": credentials.verify_token,
            "CONVOBOSS_FACEBOOK_PAGE_TOKEN": credentials.page_token,
        }
        addresses = {
            catalogue.REAL_KAFKA: self.kafka,
            catalogue.REAL_POSTGRES: self.database,
            catalogue.REAL_GRAPH: self.graph,
            catalogue.REAL_SMTP: self.smtp,
            "CONVOBOSS_FACEBOOK_WEBHOOK_URL": f"{self.address(catalogue.INGRESS)}/webhooks/messenger",
            "CONVOBOSS_MAIL_SMTP_PORT": str(self.ports.get(SMTP, catalogue.SMTP_PORT)),
            "CONVOBOSS_HTTP_PORT": str(self.ports[program.name]),
        }
        return python_environment() | suggested | _named(suggested) | addresses


def _named(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name in settings if (value := os.environ.get(name))}


def python_environment() -> dict[str, str]:
    """Compiled modules go to the cache: eight processes start faster when none has to compile."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(paths.cache() / "pycache"), "PYTHONUNBUFFERED": "1"}
