SELECT extract(epoch FROM due_at - now())::float8 FROM timer WHERE partition = $1 ORDER BY due_at LIMIT 1
