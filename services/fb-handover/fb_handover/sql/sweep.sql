-- Deletes closed commands, some at a time. $1 seconds that they are kept, $2 how many
DELETE FROM outgoing WHERE position = ANY (ARRAY(
    SELECT position FROM outgoing
    WHERE state NOT IN ('waiting', 'sending') AND updated_at < statement_timestamp() - make_interval(secs => $1)
    ORDER BY updated_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))
