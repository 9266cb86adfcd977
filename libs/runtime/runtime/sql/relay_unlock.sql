SELECT pg_advisory_unlock(hashtextextended('convoboss outbox relay ' || current_schema(), 0))
