-- Takes the partition's timers that are due by the database's clock out of the table, oldest first. $1 partition, $2 most
-- The due ones are asked for as a stretch of the index (partition, due_at), in its order: by the statistics of `due_at`
-- alone, which lag behind the clock, the planner expects next to none and would collect and sort a whole backlog for
-- each batch.
WITH fired AS (
    DELETE FROM timer
    WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM timer
        WHERE (partition, due_at) >= ($1, '-infinity') AND (partition, due_at) <= ($1, statement_timestamp())
        ORDER BY partition, due_at LIMIT $2
    ))
    RETURNING due_at, event
)
SELECT event FROM fired ORDER BY due_at
