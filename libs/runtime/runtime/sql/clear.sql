DELETE FROM outbox WHERE slot = $1 AND id <= $2
