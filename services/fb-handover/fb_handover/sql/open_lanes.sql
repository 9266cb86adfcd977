-- Locks the lanes of these conversations, making those that are missing. $1 conversations, $2 partition
INSERT INTO lane (conversation, partition, due_at)
SELECT conversation, $2, clock_timestamp() FROM unnest($1::text[]) AS named (conversation) ORDER BY conversation
ON CONFLICT (conversation) DO UPDATE SET partition = excluded.partition
