-- $1 page, $2 seconds
UPDATE page SET slow_until = greatest(slow_until, clock_timestamp() + make_interval(secs => $2)) WHERE page = $1
