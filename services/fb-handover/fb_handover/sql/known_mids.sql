-- Message ids that commands of this conversation closed with lately, looked for among the last that were closed at all.
-- $1 conversation, $2 seconds
SELECT mid FROM (
    SELECT conversation, mid FROM outgoing
    WHERE state NOT IN ('waiting', 'sending') AND updated_at > statement_timestamp() - make_interval(secs => $2)
    ORDER BY updated_at DESC LIMIT 20000
) AS lately
WHERE conversation = $1 AND mid IS NOT NULL
