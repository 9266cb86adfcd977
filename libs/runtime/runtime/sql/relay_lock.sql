-- One relay a schema. Who does not become it tells the one there is. $1 whether there are new rows to be told of
SELECT held, channel, CASE WHEN NOT held AND $1 THEN pg_notify(channel, '') IS NULL END AS told
FROM pg_try_advisory_lock(hashtextextended('convoboss outbox relay ' || current_schema(), 0)) AS held,
    left('relay ' || current_schema(), 63) AS channel -- the longest name that a channel may have
