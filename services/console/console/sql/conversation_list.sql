-- NULL asks for all. Planned for the values at hand (plan_cache_mode), so that each filter finds its index.
-- $1 bots, $2 one bot, $3 owner, $4 waiting, $5 holder, $6 part of the name, as a pattern, $7 and $8 after this place, $9 most rows
SELECT * FROM conversation AS c
WHERE c.bot IS NOT NULL
    AND ($1::text[] IS NULL OR c.bot = ANY ($1::text[]))
    AND ($2::text IS NULL OR c.bot = $2::text)
    AND ($3::text IS NULL OR c.owner = $3::text)
    AND ($4::boolean IS NOT TRUE OR (c.owner = 'human' AND (NOT c.attended OR (c.venue = 'inbox' AND c.holder_id IS NULL))))
    AND ($4::boolean IS NOT FALSE OR c.owner = 'bot'
        OR (c.attended AND (c.venue IS DISTINCT FROM 'inbox' OR c.holder_id IS NOT NULL)))
    AND ($5::text IS NULL OR c.holder_id = $5::text)
    AND ($6::text IS NULL OR lower(c.customer_name) LIKE $6::text)
    AND ($7::timestamptz IS NULL OR (c.last_at, c.id) < ($7::timestamptz, $8::text))
ORDER BY c.last_at DESC, c.id DESC
LIMIT $9
