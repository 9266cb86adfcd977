-- Appends commands in the order given, making the lanes that are missing and locking the others; commands that are there
-- already are left as they are. A lane that is made is claimed where that is wanted, and then a command that `begins` is
-- `sending` at once and has its ledger entry with it, unless nothing may be asked for its page. A lane that is there gets a
-- new version: see close.sql.
-- Parts of a statement that has a table `moved` of one row; where it is empty nothing is written.
-- $1 conversations, $2 partition, $3 owner, $4 seconds of a claim, $5 whether a claim is wanted; of each command: $6 conversations,
-- $7 pages, $8 commands, $9 epochs, $10 kinds, $11 bodies, $12 traceparents, $13 states, $14 steps, $15 whether it begins
opened AS (
    INSERT INTO lane (conversation, partition, due_at, owner, fence)
    SELECT conversation, $2, clock_timestamp() + CASE WHEN wanted THEN make_interval(secs => $4) ELSE interval '0' END,
        CASE WHEN wanted THEN $3::text END, CASE WHEN wanted THEN nextval('lane_fence') ELSE 0 END
    FROM moved, unnest($1::text[], $5::boolean[]) AS named (conversation, wanted) ORDER BY conversation
    ON CONFLICT (conversation) DO UPDATE SET partition = excluded.partition
    RETURNING conversation, fence, owner IS NOT NULL AS owned, xmax = 0 AS made -- xmax: 0 in a row that was made, not met
), appended AS (
    INSERT INTO outgoing (conversation, partition, page, command, epoch, kind, body, traceparent, state, step, sending_at, attempts)
    SELECT conversation, $2, page, command, epoch, kind, body, traceparent, CASE WHEN begun THEN 'sending' ELSE state END, step,
        CASE WHEN begun THEN clock_timestamp() END, CASE WHEN begun THEN 1 ELSE 0 END
    FROM unnest(
        $6::text[], $7::text[], $8::text[], $9::integer[], $10::text[], $11::json[], $12::text[], $13::text[], $14::text[], $15::boolean[]
    ) WITH ORDINALITY AS incoming (conversation, page, command, epoch, kind, body, traceparent, state, step, begins, place)
    JOIN opened USING (conversation)
    CROSS JOIN LATERAL (
        SELECT begins AND made AND owned AND NOT EXISTS (
            SELECT FROM page AS shut
            WHERE shut.page = incoming.page AND (shut.paused_until > clock_timestamp() OR shut.stopped_token IS NOT NULL)
        ) AS begun
    ) AS ledger
    ORDER BY place
    ON CONFLICT (command) DO NOTHING
    RETURNING conversation, command, position, state = 'sending' AS begun
), told AS (
    SELECT conversation, fence, made, made AND owned AS claimed, command, position, begun FROM opened LEFT JOIN appended USING (conversation)
)
