-- Seconds until the next conversation of these partitions is due; null: none is open. $1 partitions
SELECT extract(epoch FROM min(first.due_at) - clock_timestamp())::float8
FROM unnest($1::integer[]) AS owned (partition)
CROSS JOIN LATERAL (
    SELECT due_at FROM lane WHERE lane.partition = owned.partition ORDER BY due_at LIMIT 1
) AS first
