-- In one order, so that two transactions never wait for each other. $1 ids, $2 channels, $3 times
INSERT INTO conversation (id, channel, last_at)
SELECT id, channel, last_at FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS new (id, channel, last_at)
ORDER BY id
ON CONFLICT (id) DO NOTHING
