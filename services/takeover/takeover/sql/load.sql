SELECT id, state, updated_at FROM conversation WHERE id = ANY($1::text[])
