-- Moves the offset if the fence is still ours, drops the outbox rows that are published, and tells the events not seen.
-- $1 slot, $2 fence, $3 first offset, $4 next offset, $5 last published outbox row, $6 segment, $7 hashes of event ids
WITH moved AS (
    UPDATE consumer_offset SET next_offset = $4
    WHERE slot = $1 AND fence = $2 AND next_offset <= $3
    RETURNING slot
), cleared AS (
    DELETE FROM outbox USING moved WHERE outbox.slot = moved.slot AND id <= $5
), fresh AS (
    INSERT INTO seen_event (segment, slot, event_hash)
    SELECT $6, moved.slot, incoming.event_hash
    FROM moved, unnest($7::bytea[]) AS incoming (event_hash)
    WHERE NOT EXISTS (
        SELECT FROM seen_event AS seen WHERE seen.slot = $1 AND seen.event_hash = incoming.event_hash
    )
    ON CONFLICT DO NOTHING
    RETURNING event_hash
)
SELECT EXISTS (SELECT FROM moved) AS ours, ARRAY (SELECT event_hash FROM fresh) AS fresh
