SELECT id, body FROM outbox WHERE slot IS NULL ORDER BY id LIMIT $1
