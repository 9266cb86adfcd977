-- $1 conversation, $2 after, $3 before (NULL: any), $4 most rows
SELECT * FROM entry
WHERE conversation = $1 AND seq > $2 AND ($3::bigint IS NULL OR seq < $3) AND kind IS NOT NULL
ORDER BY seq LIMIT $4
