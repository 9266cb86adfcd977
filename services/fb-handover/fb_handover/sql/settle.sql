-- $1 position, $2 state, $3 step, $4 part, $5 riding, $6 retaken, $7 unknowns, $8 attempts, $9 mid, $10 reason, $11 seconds until the next attempt
UPDATE outgoing
SET state = $2, step = $3, part = $4, riding = $5, retaken = $6, unknowns = $7, attempts = $8, mid = $9, reason = $10,
    not_before = CASE WHEN $11::float8 > 0 THEN clock_timestamp() + make_interval(secs => $11) END,
    updated_at = clock_timestamp()
WHERE position = $1
