-- The first request under this id decides what it is. $1 id, $2 operator, $3 conversation, $4 kind, $5 hash, $6 event, $7 now
INSERT INTO command (id, operator, conversation, kind, body_hash, event, sent_at)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)
ON CONFLICT (id) DO NOTHING
RETURNING *, event::text AS event_text
