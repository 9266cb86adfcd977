-- Closes a command that is as it was read, tells of it, and goes on to the next or removes the lane: a transaction in one
-- statement. Nothing is done, and nothing comes back, where the claim was lost, where the command met something, or where
-- the lane was written while this waited for it. Of what was committed in that time the snapshot holds nothing, so that a
-- new command would not be seen; whoever stores one writes the lane, whose version then is not the one in the snapshot.
-- $1 conversation, $2 fence, $3 position; as it was read: $4 state, $5 part, $6 mid, $7 silenced; as it is from now on: $8 state,
-- $9 step, $10 riding, $11 retaken, $12 unknowns, $13 attempts, $14 mid, $15 reason; $16 body for the outbox or null
WITH seen AS MATERIALIZED (
    SELECT xmin AS version FROM lane WHERE conversation = $1 AND fence = $2 AND owner IS NOT NULL
), locked AS MATERIALIZED (
    SELECT xmin AS version FROM lane WHERE conversation = $1 AND fence = $2 AND owner IS NOT NULL FOR UPDATE
), closed AS (
    UPDATE outgoing
    SET state = $8, step = $9, riding = $10, retaken = $11, unknowns = $12, attempts = $13, mid = $14, reason = $15,
        not_before = NULL, updated_at = clock_timestamp()
    FROM locked JOIN seen ON seen.version = locked.version
    WHERE position = $3 AND state = $4 AND part = $5 AND mid IS NOT DISTINCT FROM $6 AND silenced = $7
    RETURNING position
), told AS (
    INSERT INTO outbox (slot, body) SELECT NULL, $16 FROM closed WHERE $16::bytea IS NOT NULL
), following AS (
    SELECT position, body, state, step, part, riding, retaken, silenced, unknowns, attempts, mid, traceparent,
        extract(epoch FROM clock_timestamp() - created_at)::float8 AS age,
        coalesce(extract(epoch FROM clock_timestamp() - sending_at), 0)::float8 AS sending_for
    FROM outgoing
    WHERE conversation = $1 AND state IN ('waiting', 'sending') AND position <> $3
    ORDER BY position LIMIT 1
), gone AS (
    DELETE FROM lane USING closed WHERE conversation = $1 AND fence = $2 AND NOT EXISTS (SELECT FROM following)
)
SELECT following.* FROM closed LEFT JOIN following ON true
