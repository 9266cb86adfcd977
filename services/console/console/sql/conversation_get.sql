SELECT * FROM conversation WHERE id = $1 AND bot IS NOT NULL
