-- $1 conversations that are nothing any more, $2 partition,
-- $3 conversations, $4 states, $5 quiet, $6 open, $7 waiting since, $8 changed at
WITH gone AS (DELETE FROM watch WHERE conversation = ANY ($1))
INSERT INTO watch (partition, conversation, state, quiet, is_open, waiting_since, changed_at)
SELECT $2, new.*
FROM unnest($3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::timestamptz[], $8::timestamptz[]) AS new
ON CONFLICT (conversation) DO UPDATE SET
    state = excluded.state,
    quiet = excluded.quiet,
    is_open = excluded.is_open,
    waiting_since = excluded.waiting_since,
    changed_at = greatest(watch.changed_at, excluded.changed_at)
