-- Drops published rows, without waiting for the disk: what comes back after a crash is published twice, no more.
WITH hurry AS (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox USING hurry WHERE slot = $1 AND id <= $2
