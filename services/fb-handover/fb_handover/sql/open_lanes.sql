-- Locks the lanes of these conversations, making those that are missing; a lane that is made is claimed where that is wanted.
-- $1 conversations, $2 partition, $3 owner, $4 seconds of a claim, $5 whether a claim is wanted
INSERT INTO lane (conversation, partition, due_at, owner, fence)
SELECT conversation, $2, clock_timestamp() + CASE WHEN wanted THEN make_interval(secs => $4) ELSE interval '0' END,
    CASE WHEN wanted THEN $3::text END, CASE WHEN wanted THEN nextval('lane_fence') ELSE 0 END
FROM unnest($1::text[], $5::boolean[]) AS named (conversation, wanted) ORDER BY conversation
ON CONFLICT (conversation) DO UPDATE SET partition = excluded.partition
RETURNING conversation, fence, xmax = 0 AND owner IS NOT NULL AS claimed -- xmax: 0 in a row that was made, not met
