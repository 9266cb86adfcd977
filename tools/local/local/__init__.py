"""The local stack: real Kafka and PostgreSQL as ordinary processes, and the supervisor behind `make run`."""
