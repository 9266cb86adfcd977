-- Takes tokens out of one of a page's buckets; where there is none yet, tells how long until there are as many as asked for.
-- A time is kept to the microsecond, of which a full bucket may lack one.
-- $1 page, $2 text, media or look, $3 how many at most, $4 a second, $5 how many the bucket holds, $6 factor while the page is slow
WITH held AS (
    SELECT page, clock_timestamp() AS at, paused_until > clock_timestamp() OR stopped_token IS NOT NULL AS shut,
        $4::float8 * CASE WHEN slow_until > clock_timestamp() THEN $6::float8 ELSE 1 END AS rate,
        CASE $2 WHEN 'text' THEN text_spent WHEN 'media' THEN media_spent ELSE look_spent END AS spent
    FROM page WHERE page = $1 FOR UPDATE
), full_at AS (
    SELECT page, at, shut, rate, greatest(spent, at - make_interval(secs => $5::float8 / rate)) AS since FROM held
), offered AS (
    SELECT page, shut, rate, since, extract(epoch FROM at - since)::float8 * rate AS there FROM full_at
), taken AS (
    SELECT page, shut, rate, since, there, CASE WHEN shut THEN 0 ELSE greatest(0, least($3::integer, floor(there + rate * 2e-6)::integer)) END AS count
    FROM offered
), spent AS (
    UPDATE page
    SET text_spent = CASE WHEN $2 = 'text' THEN since + make_interval(secs => count / rate) ELSE text_spent END,
        media_spent = CASE WHEN $2 = 'media' THEN since + make_interval(secs => count / rate) ELSE media_spent END,
        look_spent = CASE WHEN $2 = 'look' THEN since + make_interval(secs => count / rate) ELSE look_spent END
    FROM taken WHERE page.page = taken.page AND count > 0
)
SELECT count, shut, greatest(0, (least($3::integer, $5::float8) - there) / rate)::float8 AS wait FROM taken
