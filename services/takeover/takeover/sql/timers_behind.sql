-- How many of the partitions' timers are due, as far as they are counted: of a partition no more than $2 are read, over
-- the index. $1 partitions, $2 most of each
SELECT count(*) AS due
FROM unnest($1::integer[]) AS owned (number)
CROSS JOIN LATERAL (
    SELECT FROM timer
    WHERE (partition, due_at) >= (number, '-infinity') AND (partition, due_at) <= (number, statement_timestamp())
    ORDER BY partition, due_at LIMIT $2
) AS found
