-- $1 bots (NULL: all), $2 after, $3 most rows
SELECT *, takeover::text AS takeover_text FROM bot
WHERE ($1::text[] IS NULL OR id = ANY ($1::text[])) AND id > $2
ORDER BY id LIMIT $3
