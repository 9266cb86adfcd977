"""Real servers as a library: `Kafka` and `Postgres`, each started, stopped or killed by a call."""

from local.errors import LocalError, PortTaken, StartFailed
from local.kafka import Kafka
from local.postgres import Postgres

__all__ = ["Kafka", "LocalError", "PortTaken", "Postgres", "StartFailed"]
