INSERT INTO flow (id, bot, revision, document, problems, updated_at, updated_by)
VALUES ($1, $2, 1, $3, $4::text::jsonb, $5, $6::text::jsonb)
ON CONFLICT (id) DO NOTHING
RETURNING id
