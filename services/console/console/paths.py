"""The variable parts of paths. One that does not fit names nothing: it is answered 404."""

from typing import Annotated

from pydantic import Field

from console.commands import KEY_PATTERN, Number
from console.operators import BotId
from console.registry import Parameters

FlowId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
PageId = Annotated[str, Field(pattern=r"^\d{1,32}$")]


class ConversationPath(Parameters):
    conversation: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f]+$")]


class EntryPath(ConversationPath):
    seq: Number


class CommandPath(Parameters):
    command: Annotated[str, Field(pattern=rf"^operator:[0-9a-f]{{32}}:{KEY_PATTERN[1:]}")]


class OperatorPath(Parameters):
    operator: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class BotPath(Parameters):
    bot: BotId


class ChannelPath(BotPath):
    page: PageId


class FlowPath(BotPath):
    flow: FlowId


class VersionPath(FlowPath):
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
