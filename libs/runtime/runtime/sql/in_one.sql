-- All that a batch writes, in one statement: `moved` is empty, and nothing is written, where the fence is not ours any more or
-- an event was seen before. The handler's own expressions follow `stored` and read from `moved` too.
-- $1 slot, $2 fence, $3 first offset, $4 next offset, $5 last published outbox row, $6 segment, $7 hashes of event ids,
-- $8 body of the outbox row or null
WITH moved AS (
    UPDATE consumer_offset SET next_offset = $4
    WHERE slot = $1 AND fence = $2 AND next_offset <= $3 AND NOT EXISTS (
        SELECT FROM seen_event AS seen WHERE seen.slot = $1 AND seen.event_hash = ANY ($7::bytea[])
    )
    RETURNING slot
), cleared AS (
    DELETE FROM outbox USING moved WHERE outbox.slot = moved.slot AND id <= $5
), fresh AS (
    INSERT INTO seen_event (segment, slot, event_hash)
    SELECT $6, moved.slot, incoming.event_hash FROM moved, unnest($7::bytea[]) AS incoming (event_hash)
), stored AS (
    INSERT INTO outbox (slot, body) SELECT moved.slot, $8 FROM moved WHERE $8::bytea IS NOT NULL RETURNING id
)
SELECT EXISTS (SELECT FROM moved) AS done, (SELECT id FROM stored) AS outbox
