INSERT INTO episode (id, conversation, bot, cause, block, started_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
ON CONFLICT (id) DO NOTHING
