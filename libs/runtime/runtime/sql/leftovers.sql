-- What an earlier owner, or an attempt whose outcome is unknown, did not publish.
SELECT id, body FROM outbox WHERE slot = $1 AND id > $2 ORDER BY id LIMIT $3
