-- What is kept in vain or is too much; returns how many that were.
-- $1 partition, $2 before this no message is waited for, $3 most conversations
WITH gone AS (
    DELETE FROM watch WHERE conversation IN (
        SELECT conversation FROM (
            SELECT conversation, is_open, changed_at, row_number() OVER (ORDER BY changed_at DESC) AS place
            FROM watch WHERE partition = $1
        ) AS kept
        WHERE place > $3 OR (NOT is_open AND changed_at < $2)
    )
    RETURNING 1
)
SELECT count(*) FROM gone
