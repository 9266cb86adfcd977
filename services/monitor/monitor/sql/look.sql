-- Conversations that are kept, and takeovers that nobody has taken up by their age. $1 partitions, $2 now
SELECT count(*) AS kept,
    count(*) FILTER (WHERE age < interval '1 minute') AS below_1m,
    count(*) FILTER (WHERE age >= interval '1 minute' AND age < interval '5 minutes') AS below_5m,
    count(*) FILTER (WHERE age >= interval '5 minutes' AND age < interval '15 minutes') AS below_15m,
    count(*) FILTER (WHERE age >= interval '15 minutes' AND age < interval '1 hour') AS below_1h,
    count(*) FILTER (WHERE age >= interval '1 hour') AS older
FROM (SELECT $2::timestamptz - waiting_since AS age FROM watch WHERE partition = ANY ($1)) AS watched
