UPDATE flow SET
    revision = revision + 1, document = $2, problems = $3::text::jsonb, updated_at = $4, updated_by = $5::text::jsonb
WHERE id = $1
