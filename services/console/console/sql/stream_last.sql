SELECT name, last FROM stream WHERE name = ANY ($1::text[])
