-- $1 page, $2 seconds
UPDATE page SET tags_stopped_until = clock_timestamp() + make_interval(secs => $2) WHERE page = $1
