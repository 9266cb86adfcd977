UPDATE conversation SET updated_at = t.at
FROM unnest($1::text[], $2::timestamptz[]) AS t (id, at)
WHERE conversation.id = t.id
