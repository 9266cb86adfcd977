INSERT INTO conversation (id, partition, bot, owner, epoch, seq, state, updated_at)
SELECT id, $2, bot, owner, epoch, seq, state::json, updated_at
FROM unnest($1::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::text[], $8::timestamptz[])
    AS t (id, bot, owner, epoch, seq, state, updated_at)
ON CONFLICT (id) DO UPDATE SET
    bot = excluded.bot, owner = excluded.owner, epoch = excluded.epoch, seq = excluded.seq,
    state = excluded.state, updated_at = excluded.updated_at
