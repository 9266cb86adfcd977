-- Locks the partition's row if the fence is still ours. $1 slot, $2 fence
SELECT slot FROM consumer_offset WHERE slot = $1 AND fence = $2 FOR UPDATE
