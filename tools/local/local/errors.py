"""What can go wrong with the local stack. The text is a sentence for the person at the terminal."""

from pathlib import Path

from local import advice


class LocalError(Exception):
    """The local stack cannot go on; the message says why and what to do."""


class StartFailed(LocalError):
    """A server ended, or was not ready in time; carries the last lines of its log.

    `words` is what is searched for a known cause; the log's tail unless more is given. `near`: a folder on the disk
    of the data. `final`: another try is useless.
    """

    def __init__(self, name: str, reason: str, log_tail: str, words: str = "", near: Path | None = None) -> None:
        self.name = name
        self.log_tail = log_tail
        known = advice.read(words or log_tail, near)
        self.final = known is not None and known.final
        text = f"{name} did not start: {reason}\n{log_tail}".rstrip()
        super().__init__(f"{text}\n{known.text}" if known else text)


class PortTaken(StartFailed):
    """Somebody took the port between our look and the server's bind; start again with another."""
