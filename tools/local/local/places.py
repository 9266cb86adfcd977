"""Where everything is reached, and the environment that tells the services so."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from local import catalogue, paths
from local.credentials import Credentials

GRAPH_VERSION = "v26.0"


@dataclass(frozen=True, slots=True)
class Places:
    """The public doors of a running stack, as seeding and the story use them.

    `facebook` and `mail` are the pages of the stand-ins; None when the real thing is connected.
    """

    ingress: str
    console: str
    public: str
    facebook: str | None
    mail: str | None
    kafka: str
    database: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Which stand-ins run, and on which ports: decided once, before anything starts."""

    kafka: str
    database: str
    graph: str
    smtp: str
    public: str
    programs: tuple[catalogue.Program, ...]
    ports: Mapping[str, int]  # of programs, and "smtp"

    def places(self) -> Places:
        return Places(
            ingress=self.address(catalogue.INGRESS),
            console=self.address(catalogue.CONSOLE),
            public=self.public,
            facebook=self.address(catalogue.FACEBOOK) if catalogue.FACEBOOK in self.programs else None,
            mail=self.address(catalogue.MAIL) if catalogue.MAIL in self.programs else None,
            kafka=self.kafka,
            database=self.database,
        )

    def address(self, program: catalogue.Program) -> str:
        return f"http://127.0.0.1:{self.ports.get(program.name, program.port)}"

    def environment(self, program: catalogue.Program, credentials: Credentials) -> dict[str, str]:
        """The whole environment of a program: the person's own, and under it what the local stack sets."""
        local = {
            "CONVOBOSS_PUBLIC_URL": self.public,
            "CONVOBOSS_SECRET_KEYS": credentials.secret_keys,
        }
        fixed = {
            catalogue.REAL_KAFKA: self.kafka,
            catalogue.REAL_POSTGRES: self.database,
            catalogue.REAL_GRAPH: self.graph,
            catalogue.REAL_SMTP: self.smtp,
            "CONVOBOSS_HTTP_PORT": str(self.ports[program.name]),
            "CONVOBOSS_SMTP_PORT": str(self.ports["smtp"]),
            "CONVOBOSS_WEBHOOK_URL": self.address(catalogue.INGRESS) + "/webhooks/messenger",
        }
        return python_environment() | {name: os.environ.get(name) or value for name, value in local.items()} | fixed


def python_environment() -> dict[str, str]:
    """Compiled modules go to the cache: eight processes start faster when none has to compile."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(paths.cache() / "pycache"), "PYTHONUNBUFFERED": "1"}
