-- After a pause the page begins slowly. $1 page, $2 seconds from now, $3 what the next one doubles, $4 trouble, $5 reason, $6 seconds slow after it
UPDATE page
SET paused_until = clock_timestamp() + make_interval(secs => $2), paused_for = $3, trouble = $4, reason = $5,
    slow_until = clock_timestamp() + make_interval(secs => $2 + $6)
WHERE page = $1
