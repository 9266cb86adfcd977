-- One relay a schema.
SELECT pg_try_advisory_lock(hashtextextended('convoboss outbox relay ' || current_schema(), 0))
