"""What can go wrong with the local stack. The text is a sentence for the person at the terminal."""


class LocalError(Exception):
    """The local stack cannot go on; the message says why and what to do."""


class StartFailed(LocalError):
    """A server ended, or was not ready in time; carries the last lines of its log."""

    def __init__(self, name: str, reason: str, log_tail: str) -> None:
        self.name = name
        self.log_tail = log_tail
        super().__init__(f"{name} did not start: {reason}\n{log_tail}".rstrip())


class PortTaken(StartFailed):
    """Somebody took the port between our look and the server's bind; start again with another."""
