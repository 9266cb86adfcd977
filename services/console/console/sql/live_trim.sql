-- $1 older than, $2 most rows
DELETE FROM live_event WHERE (stream, seq) IN (
    SELECT stream, seq FROM live_event WHERE at < $1 ORDER BY at LIMIT $2
)
