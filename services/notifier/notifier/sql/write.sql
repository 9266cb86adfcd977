-- New e-mails; those that are there already stay as they are.
-- $1 episodes, $2 address keys, $3 addresses, $4 conversations, $5 partition, $6 Message-IDs, $7 outcomes, $8 their times, $9 now
INSERT INTO email (episode, address_key, address, conversation, partition, message_id, started, started_at,
                   state, due_at, created_at, changed_at)
SELECT episode, address_key, address, conversation, $5, message_id, started, started_at, 'due', $9, $9, $9
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $6::text[], $7::text[], $8::timestamptz[])
     AS new (episode, address_key, address, conversation, message_id, started, started_at)
ON CONFLICT (episode, address_key) DO NOTHING
