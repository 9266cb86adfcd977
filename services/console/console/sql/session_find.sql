-- The session that a token opens, its operator, and a conversation's bot. $1 hash, $2 seen after, $3 created after, $4 conversation
SELECT
    o.id, o.email, o.name, o.role, o.active, o.created_at, s.last_seen, s.created_at AS session_created_at,
    ARRAY (SELECT bot FROM operator_bot WHERE operator = o.id ORDER BY bot) AS bots,
    (SELECT bot FROM conversation WHERE id = $4) AS bot
FROM session AS s INNER JOIN operator AS o ON o.id = s.operator
WHERE s.token_hash = $1 AND s.last_seen > $2 AND s.created_at > $3 AND o.active
