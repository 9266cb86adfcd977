"""What a process remembers of the tables while it owns their partitions, so that a busy conversation is not read for each batch.

The database stays the truth: what is remembered was committed under the partition's fence, and is forgotten when the partition is
given back, taken anew, or a transaction of it failed (`runtime.handler.Handler`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from schemas.bots import BotSettings
from takeover.state import Conversation


class Memory:
    """At most `most` conversations, of all partitions together; those that were longest without an event go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._states: OrderedDict[tuple[int, str], Conversation] = OrderedDict()
        self._settings: set[tuple[int, str, int]] = set()

    def __len__(self) -> int:
        return len(self._states)

    def known(self, partition: int, ids: Iterable[str]) -> dict[str, Conversation]:
        """Those of the partition's conversations that are remembered."""
        states = self._states
        return {key: state for key in ids if (state := states.get((partition, key))) is not None}

    def keep(self, partition: int, states: Mapping[str, Conversation], settings: Iterable[BotSettings]) -> None:
        """They are committed."""
        for key, state in states.items():
            place = (partition, key)
            self._states[place] = state
            self._states.move_to_end(place)
        while len(self._states) > self._most:
            self._states.popitem(last=False)
        self._settings.update((partition, each.bot, each.version) for each in settings)

    def new_settings(self, partition: int, settings: Iterable[BotSettings]) -> list[BotSettings]:
        """Those that were not yet recorded as in force in the partition, as far as is known."""
        return [each for each in settings if (partition, each.bot, each.version) not in self._settings]

    def forget(self, partition: int) -> None:
        self._states = OrderedDict(item for item in self._states.items() if item[0][0] != partition)
        self._settings = {place for place in self._settings if place[0] != partition}
