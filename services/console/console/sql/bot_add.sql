INSERT INTO bot (id, name, fallback_text, takeover, version, updated_at, updated_by)
VALUES ($1, $2, $3, $4::text::jsonb, 1, $5, $6)
ON CONFLICT (id) DO NOTHING
RETURNING id
