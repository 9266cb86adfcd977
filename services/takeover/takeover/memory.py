"""What a process remembers of the tables while it owns their partitions, so that a busy conversation is not read for each batch.

The database stays the truth: what is remembered was written, or read, in a transaction under the partition's fence, and is
forgotten when the partition is given back, taken anew, or a transaction of it failed (`runtime.handler.Handler`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

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

    def keep(self, partition: int, states: Mapping[str, Conversation]) -> None:
        """They are in the transaction; if it fails, `forget` is called before anything is asked again."""
        for key, state in states.items():
            place = (partition, key)
            self._states[place] = state
            self._states.move_to_end(place)
        while len(self._states) > self._most:
            self._states.popitem(last=False)

    def is_new(self, partition: int, bot: str, version: int) -> bool:
        """Whether this version of a bot's settings was not yet recorded as in force in the partition, as far as is known."""
        place = (partition, bot, version)
        if place in self._settings:
            return False
        self._settings.add(place)
        return True

    def forget(self, partition: int) -> None:
        self._states = OrderedDict(item for item in self._states.items() if item[0][0] != partition)
        self._settings = {place for place in self._settings if place[0] != partition}
