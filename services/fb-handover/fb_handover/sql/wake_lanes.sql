-- Conversations that rest have something to do at once. $1 conversations
UPDATE lane SET due_at = clock_timestamp() WHERE conversation = ANY ($1::text[]) AND owner IS NULL
