-- $1 partition, $2 commands, $3 conversations, $4 epochs, $5 seqs, $6 episodes, $7 reasons
INSERT INTO two_voices (partition, command, conversation, epoch, seq, episode, reason)
SELECT $1, new.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::integer[], $6::text[], $7::text[]) AS new
ON CONFLICT (command) DO NOTHING
