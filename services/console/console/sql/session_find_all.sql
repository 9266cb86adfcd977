-- As session_find, for many. $1 hashes, $2 seen after, $3 created after
SELECT
    s.token_hash, o.id, o.email, o.name, o.role, o.active, o.created_at,
    ARRAY (SELECT bot FROM operator_bot WHERE operator = o.id ORDER BY bot) AS bots
FROM session AS s INNER JOIN operator AS o ON o.id = s.operator
WHERE s.token_hash = ANY ($1::bytea[]) AND s.last_seen > $2 AND s.created_at > $3 AND o.active
