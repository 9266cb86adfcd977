-- The latest of a partition. $1 partition, $2 how many
SELECT command, conversation, epoch, seq, episode, reason
FROM two_voices WHERE partition = $1
ORDER BY found_at DESC LIMIT $2
