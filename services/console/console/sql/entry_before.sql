-- The newest, before a place. $1 conversation, $2 before (NULL: any), $3 most rows
SELECT * FROM entry
WHERE conversation = $1 AND ($2::bigint IS NULL OR seq < $2) AND kind IS NOT NULL
ORDER BY seq DESC LIMIT $3
