"""What ends a command: a sentence for the person at the terminal, and an exit code for scripts."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
NO_BROKER: Final = 3
NO_TOPIC: Final = 4
NO_DATABASE: Final = 5
REFUSED: Final = 6
DIFFERENT: Final = 7
UNPROVEN: Final = 8
UNKNOWN: Final = 9
INTERRUPTED: Final = 130  # as shells have it for Ctrl-C


class CommandError(Exception):
    """The command cannot go on; the text says why and what to do."""

    code = FAILED


class BrokerAway(CommandError):
    """No broker answers, or it does not let us in."""

    code = NO_BROKER

    def __init__(self, bootstrap: str, reason: str) -> None:
        super().__init__(
            f"No Kafka broker at {bootstrap} can be used ({reason}). `make run` starts one;"
            " CONVOBOSS_KAFKA_BOOTSTRAP names another, e.g. CONVOBOSS_KAFKA_BOOTSTRAP=127.0.0.1:9092."
        )
        self.bootstrap = bootstrap


class TopicsMissing(CommandError):
    """The broker has none of the topics that were asked for."""

    code = NO_TOPIC

    def __init__(self, topics: tuple[str, ...], bootstrap: str) -> None:
        super().__init__(
            f"The broker at {bootstrap} has no topic {', '.join(topics)}. `make topics` makes the missing ones;"
            " `convoboss topics` shows what is there."
        )
        self.topics = topics


class DatabaseAway(CommandError):
    """The database does not answer, or does not let us in."""

    code = NO_DATABASE

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} CONVOBOSS_DATABASE_URL names the database, and the role that owns its schemas.")


class UnknownConversation(CommandError):
    """Neither the log nor a table knows the conversation."""

    code = UNKNOWN

    def __init__(self, conversation: str) -> None:
        super().__init__(
            f"There is no conversation {conversation}: nothing of it is in the log, and takeover has no row of it."
            " Its id stands in the console's address bar; `convoboss tail --type 'customer.*'` shows ids as they come."
        )
        self.conversation = conversation


class Forbidden(CommandError):
    """What was asked for must not be done, or may not be done by this role."""

    code = REFUSED
