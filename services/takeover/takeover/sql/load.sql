SELECT state FROM conversation WHERE id = ANY($1::text[])
