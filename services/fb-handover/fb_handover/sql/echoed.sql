-- Commands that an echo shows to have been sent. $1 commands
SELECT position, conversation, command, body, state, step, part, riding, retaken, silenced, unknowns, attempts, mid, traceparent,
    extract(epoch FROM clock_timestamp() - created_at)::float8 AS age, 0::float8 AS sending_for
FROM outgoing
WHERE command = ANY ($1::text[])
    AND (state IN ('waiting', 'sending', 'uncertain') OR (state IN ('suppressed', 'refused') AND attempts > 0))
FOR UPDATE
