-- $1 after this email, $2 most rows
SELECT
    id, email, name, role, active, created_at,
    ARRAY (SELECT bot FROM operator_bot WHERE operator = o.id ORDER BY bot) AS bots
FROM operator AS o WHERE email > $1 ORDER BY email LIMIT $2
