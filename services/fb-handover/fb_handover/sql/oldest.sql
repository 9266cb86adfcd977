-- Age in seconds of the oldest open command of each partition. $1 partitions
SELECT owned.partition, extract(epoch FROM clock_timestamp() - first.created_at)::float8 AS age
FROM unnest($1::integer[]) AS owned (partition)
CROSS JOIN LATERAL (
    SELECT created_at FROM outgoing
    WHERE outgoing.partition = owned.partition AND state IN ('waiting', 'sending')
    ORDER BY created_at LIMIT 1
) AS first
