-- Makes this process the owner of a partition. Waits for the transaction of an earlier owner that is under way.
INSERT INTO consumer_offset AS o (group_name, topic, partition, fence)
VALUES ($1, $2, $3, 1)
ON CONFLICT (group_name, topic, partition) DO UPDATE SET fence = o.fence + 1
RETURNING o.slot, o.fence, o.next_offset
