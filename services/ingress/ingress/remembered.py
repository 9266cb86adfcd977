"""The channels as of the last time that the broker could be asked, on disk beside the spool, secrets encrypted as they came.

A process that starts while the broker is away checks signatures by them: without a channel nobody could tell a webhook from
a forgery.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from runtime.logs import get_logger
from schemas.base import BaseEvent
from schemas.bots import BotSettings

NAME: Final = "channels.json"
_BOTS: Final = TypeAdapter(dict[str, BotSettings])

log = get_logger(__name__)


def remembered(folder: Path) -> Mapping[str, BotSettings]:
    """What was written last, by bot; nothing where there is nothing or it cannot be read."""
    try:
        return _BOTS.validate_json((folder / NAME).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        log.warning("the remembered channels cannot be read", error=type(error).__name__)
        return {}


class Memory:
    """Follows the topic `bots`, and writes what it says once it has been read to its end, and after each change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bots: dict[str, BotSettings] = {}
        self._changed = asyncio.Event()

    def apply(self, key: str, event: BaseEvent | None) -> None:
        if event is None:
            self._bots.pop(key, None)
        elif isinstance(event, BotSettings):
            self._bots[key] = event
        self._changed.set()

    async def run(self) -> None:
        """From when all are known. Until cancelled."""
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            document = _BOTS.dump_json(self._bots)
            try:
                await asyncio.to_thread(self._write, document)
            except OSError as error:  # only a start without broker needs it
                log.warning("the channels cannot be remembered", error=str(error))

    def _write(self, document: bytes) -> None:
        """The old file or the new one, whole, whenever the process ends."""
        new = self._folder / f"{NAME}.new"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / NAME)
