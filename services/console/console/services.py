"""What routes work with; wired in `main`, and otherwise in tests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from console.live import Live
from console.pages import PageBook
from console.passwords import Passwords
from console.problems import unavailable
from console.publishing import FlowPublisher
from console.settings import ConsoleSettings
from runtime.kafka import Publisher
from runtime.outbox import Relay
from runtime.postgres import Pool
from runtime.secrets import SecretBox


@dataclass(frozen=True, slots=True)
class Services:
    settings: ConsoleSettings
    pool: Pool
    publisher: Publisher
    relay: Relay
    box: SecretBox
    passwords: Passwords
    flows: FlowPublisher
    live: Live
    pages: PageBook
    now: Callable[[], datetime]
    random: Callable[[int], bytes]


class Door:
    """The way from the HTTP server to the services, which are there some time after it: until then it is shut."""

    def __init__(self) -> None:
        self._services: Services | None = None

    def open(self, services: Services) -> None:
        self._services = services

    def shut(self) -> None:
        self._services = None

    @property
    def services(self) -> Services:
        """Raises `Refusal` (503) while the console starts or stops."""
        if self._services is None:
            raise unavailable("starting", "The console is starting.")
        return self._services

    def close_sockets(self) -> None:
        if self._services is not None:
            self._services.live.close_all()
