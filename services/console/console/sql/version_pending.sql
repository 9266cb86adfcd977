SELECT *, published_by::text AS published_by_text FROM flow_version WHERE published_at IS NULL ORDER BY id LIMIT $1
