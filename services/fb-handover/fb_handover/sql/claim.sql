-- Takes up conversations that are due. A claim that ran out belongs to a process that died or was cut off.
-- $1 partitions, $2 how many, $3 owner, $4 seconds
WITH due AS (
    SELECT ready.conversation
    FROM unnest($1::integer[]) AS owned (partition)
    CROSS JOIN LATERAL (
        SELECT conversation FROM lane
        WHERE lane.partition = owned.partition AND due_at <= statement_timestamp()
        ORDER BY due_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ) AS ready
    LIMIT $2
)
UPDATE lane
SET owner = $3, fence = nextval('lane_fence'), due_at = clock_timestamp() + make_interval(secs => $4)
FROM due WHERE lane.conversation = due.conversation
RETURNING lane.conversation, lane.partition, lane.fence
