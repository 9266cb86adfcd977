INSERT INTO timer (conversation, kind, partition, due_at, event)
SELECT conversation, kind, $1, due_at, event::json
FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[]) AS t (conversation, kind, due_at, event)
ON CONFLICT (conversation, kind) DO UPDATE SET
    partition = excluded.partition, due_at = excluded.due_at, event = excluded.event
