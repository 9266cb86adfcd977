SELECT * FROM conversation WHERE id = $1 FOR UPDATE
