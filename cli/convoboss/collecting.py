"""All evidence of one conversation: its row and timers first, then what the topics hold."""

from collections.abc import Container

from convoboss import broker, gathering, ledger
from convoboss.errors import UnknownConversation
from convoboss.evidence import KINDS, Evidence, Piece, Place, Reach, evidence
from convoboss.gathering import Partition
from runtime.partitions import partition_of
from runtime.settings import ServiceSettings
from schemas.topics import CONVERSATIONS


async def collect(settings: ServiceSettings, conversation: str) -> tuple[Evidence, Place]:
    """Reads this conversation's partition of each topic. Raises CommandError, UnknownConversation among them."""
    present = await gathering.present(settings)
    partition = partition_of(conversation, present[CONVERSATIONS])
    async with ledger.reading(settings) as connection:
        stand = await ledger.stand(connection, partition)
        pieces = await ledger.of_conversation(connection, conversation)
    records, reaches = await _records(settings, conversation, partition, present)
    found = evidence(conversation, [*pieces, *records])
    if found.is_nothing:
        raise UnknownConversation(conversation)
    return found, Place(partition, *stand, reaches)


async def _records(
    settings: ServiceSettings, conversation: str, partition: int, topics: Container[str]
) -> tuple[list[Piece], dict[str, Reach]]:
    """The tables were read before: what they hold was published before the present ends of the topics, or is in the outbox."""
    found: list[Piece] = []
    reaches: dict[str, Reach] = {}
    async with broker.reader(settings, wait=gathering.WAIT) as consumer:
        for topic in KINDS:
            if topic not in topics:
                continue
            part = Partition(topic, partition)
            async for records in gathering.pieces(consumer, settings, part, conversation.encode()):
                found += records
            reaches[topic] = part.reach
    return found, reaches
