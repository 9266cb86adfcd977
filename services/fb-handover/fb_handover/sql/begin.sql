-- The ledger: written before the request. Nothing comes back when the claim was lost or a Silence came first.
-- $1 conversation, $2 fence, $3 position, $4 seconds that the claim lasts from now
WITH held AS (
    UPDATE lane SET due_at = clock_timestamp() + make_interval(secs => $4)
    WHERE conversation = $1 AND fence = $2 AND owner IS NOT NULL
    RETURNING conversation
)
UPDATE outgoing
SET state = 'sending', sending_at = clock_timestamp(), attempts = attempts + 1, updated_at = clock_timestamp()
FROM held
WHERE position = $3 AND state = 'waiting'
RETURNING attempts
