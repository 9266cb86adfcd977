-- A conversation's first open command. $1 conversation
SELECT position, body, state, step, part, riding, retaken, silenced, unknowns, attempts, mid, traceparent,
    extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
    coalesce(extract(epoch FROM clock_timestamp() - sending_at), 0)::float8 AS sending_for
FROM outgoing
WHERE conversation = $1 AND state IN ('waiting', 'sending')
ORDER BY position LIMIT 1
