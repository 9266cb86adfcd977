INSERT INTO session (token_hash, operator, created_at, last_seen) VALUES ($1, $2, $3, $3)
