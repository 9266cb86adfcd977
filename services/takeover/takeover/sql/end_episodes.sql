UPDATE episode SET ended_at = t.at, end_cause = t.cause
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS t (id, at, cause)
WHERE episode.id = t.id
