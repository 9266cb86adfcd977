UPDATE episode SET taken_up_at = t.at, taken_up_by = t.name
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS t (id, at, name)
WHERE episode.id = t.id AND taken_up_at IS NULL
