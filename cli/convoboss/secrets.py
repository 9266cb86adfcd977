"""Secrets that records hold encrypted are not shown even so."""

import re
from typing import Final

from schemas.base import BaseEvent
from schemas.bots import BotSettings, MessengerChannel
from schemas.deadletters import DeadLetter
from schemas.topics import BOTS

HIDDEN: Final = "(encrypted)"
_NAMES: Final = re.compile(r"secret|token|password")
SECRETS: Final = tuple(name for name in MessengerChannel.model_fields if _NAMES.search(name))


def without_secrets(event: BaseEvent) -> BaseEvent:
    match event:
        case BotSettings():
            hidden = dict.fromkeys(SECRETS, HIDDEN)
            channels = tuple(channel.model_copy(update=hidden) for channel in event.messenger)
            return event.model_copy(update={"messenger": channels})
        case DeadLetter(origin_topic=topic) if topic == BOTS:
            return event.model_copy(update={"value_base64": HIDDEN})
        case _:
            return event
