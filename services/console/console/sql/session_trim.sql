-- $1 seen before, $2 created before
DELETE FROM session WHERE last_seen <= $1 OR created_at <= $2
