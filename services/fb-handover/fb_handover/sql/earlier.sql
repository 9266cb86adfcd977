-- A command of this conversation that a later one repeats. $1 conversation, $2 command
SELECT position, body, state, step, part, riding, retaken, silenced, unknowns, attempts, mid, traceparent,
    extract(epoch FROM clock_timestamp() - created_at)::float8 AS age, 0::float8 AS sending_for
FROM outgoing
WHERE command = $2 AND conversation = $1
