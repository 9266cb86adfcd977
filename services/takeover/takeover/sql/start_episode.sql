INSERT INTO episode (id, conversation, bot, cause, block, started_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO NOTHING
