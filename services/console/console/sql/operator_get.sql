SELECT
    id, email, name, role, active, created_at,
    ARRAY (SELECT bot FROM operator_bot WHERE operator = o.id ORDER BY bot) AS bots
FROM operator AS o WHERE id = $1
