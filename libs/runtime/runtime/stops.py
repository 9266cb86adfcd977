"""Why a partition stands still until a person has looked, and what that person is told."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

StopReason = Literal["out_of_range", "unknown_type", "undecodable", "poisoned"]
STOP_REASONS: Final[tuple[StopReason, ...]] = get_args(StopReason)
_LET_THROUGH: Final = " To let what is left of them pass, set CONVOBOSS_DEAD_LETTERS_IN_A_ROW and CONVOBOSS_DEAD_LETTERS_PERCENT to 0 for a while."
ADVICE: Final[Mapping[StopReason, str]] = {
    "out_of_range": (
        "The log lost records before they were handled. Compare the topic's retention with how long this group was away; then"
        " set next_offset of this partition in the group's consumer_offset to an offset that is there, and restart."
    ),
    "unknown_type": "Install the version that knows this type; it goes on here. Readers are upgraded before writers.",
    "undecodable": (
        "Look at the last records of dead-letters (./convoboss tail dead-letters): who writes what this version cannot read?"
        " Mend that, and restart: it goes on before the batch that was too much." + _LET_THROUGH
    ),
    "poisoned": (
        "Look at the errors logged before this one: the handler raises for almost everything. Mend that, and restart: it goes"
        " on at the event that was one too many." + _LET_THROUGH
    ),
}


class Stopped(Exception):
    """The partition cannot go on without a person; others can."""

    def __init__(self, reason: StopReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.advice = ADVICE[reason]
