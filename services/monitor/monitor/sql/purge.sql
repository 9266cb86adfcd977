-- $1 partition, $2 days
DELETE FROM two_voices WHERE partition = $1 AND found_at < now() - make_interval(days => $2)
