-- How far the echoes of a partition were taken in: the runtime's own row of this service. $1 group, $2 topic, $3 partition
SELECT next_offset FROM consumer_offset WHERE group_name = $1 AND topic = $2 AND partition = $3
