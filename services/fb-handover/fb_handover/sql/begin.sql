-- The ledger: written before the request. No attempts come back when the claim was lost or a Silence came first, or where
-- nothing may be asked for the page; then it is `shut`.
-- $1 conversation, $2 fence, $3 position, $4 seconds that the claim lasts from now, $5 page
WITH shut AS (
    SELECT FROM page WHERE page = $5 AND (paused_until > clock_timestamp() OR stopped_token IS NOT NULL)
), held AS (
    UPDATE lane SET due_at = clock_timestamp() + make_interval(secs => $4)
    WHERE conversation = $1 AND fence = $2 AND owner IS NOT NULL
    RETURNING conversation
), begun AS (
    UPDATE outgoing
    SET state = 'sending', sending_at = clock_timestamp(), attempts = attempts + 1, updated_at = clock_timestamp()
    FROM held
    WHERE position = $3 AND state = 'waiting' AND NOT EXISTS (SELECT FROM shut)
    RETURNING attempts
)
SELECT (SELECT attempts FROM begun) AS attempts, EXISTS (SELECT FROM shut) AS shut
