-- Locks the rows in one order, or none of them where one is missing: it has to be made first, in that order too. $1 ids
SELECT * FROM conversation
WHERE id = ANY ($1::text[])
    AND (SELECT count(*) FROM conversation WHERE id = ANY ($1::text[])) = cardinality($1::text[])
ORDER BY id FOR UPDATE
