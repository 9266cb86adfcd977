-- Locks pages in the order of their names. Seconds are from now on; negative: past. $1 pages
SELECT page, trouble, reason, stopped_token, stopped_version, paused_for, clock_timestamp() AS at,
    extract(epoch FROM paused_until - clock_timestamp())::float8 AS paused
FROM page WHERE page = ANY ($1::text[]) ORDER BY page FOR UPDATE
