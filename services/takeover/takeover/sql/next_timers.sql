-- The database's time, and each partition's next timer or null, both as seconds since 1970. $1 partitions
SELECT
    number AS partition,
    extract(epoch FROM statement_timestamp())::float8 AS now,
    extract(epoch FROM (SELECT due_at FROM timer WHERE partition = number ORDER BY due_at LIMIT 1))::float8 AS due_at
FROM unnest($1::integer[]) AS owned (number)
