-- NULL leaves as it is. $1 id, $2 name, $3 role, $4 active, $5 password hash
UPDATE operator SET
    name = coalesce($2, name), role = coalesce($3, role), active = coalesce($4, active),
    password_hash = coalesce($5, password_hash)
WHERE id = $1
