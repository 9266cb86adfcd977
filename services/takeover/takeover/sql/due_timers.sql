SELECT conversation, kind, due_at, event FROM timer
WHERE partition = $1 AND due_at <= now()
ORDER BY due_at
LIMIT $2
