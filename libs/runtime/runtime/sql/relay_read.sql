-- What is to be published next, in order; what was published goes, without waiting for the disk: what comes back after a
-- crash is published twice, no more. $1 published, $2 how many
WITH hurry AS (
    SELECT set_config('synchronous_commit', 'off', true)
), gone AS (
    DELETE FROM outbox USING hurry WHERE slot IS NULL AND id = ANY ($1::bigint[])
)
SELECT id, body FROM outbox WHERE slot IS NULL AND id <> ALL ($1::bigint[]) ORDER BY id LIMIT $2
