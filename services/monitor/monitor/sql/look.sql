-- Conversations that are kept, and takeovers that nobody has taken up by their age. $1 partitions, $2 now
SELECT count(*) AS kept,
    count(*) FILTER (WHERE waiting_since > $2 - interval '1 minute') AS below_1m,
    count(*) FILTER (WHERE waiting_since <= $2 - interval '1 minute' AND waiting_since > $2 - interval '5 minutes') AS below_5m,
    count(*) FILTER (WHERE waiting_since <= $2 - interval '5 minutes' AND waiting_since > $2 - interval '15 minutes') AS below_15m,
    count(*) FILTER (WHERE waiting_since <= $2 - interval '15 minutes' AND waiting_since > $2 - interval '1 hour') AS below_1h,
    count(*) FILTER (WHERE waiting_since <= $2 - interval '1 hour') AS older
FROM watch WHERE partition = ANY ($1)
