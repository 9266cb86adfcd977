-- Numbers events within their streams. The row of a stream stays locked until the commit, and streams are locked in one
-- order. $1 streams, $2 types, $3 bodies
WITH new AS MATERIALIZED (
    SELECT stream, type, body, place
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS new (stream, type, body, place)
), numbered AS (
    INSERT INTO stream AS s (name, last)
    SELECT stream, count(*) FROM new GROUP BY stream ORDER BY stream
    ON CONFLICT (name) DO UPDATE SET last = s.last + excluded.last
    RETURNING s.name, s.last
)
INSERT INTO live_event (stream, seq, at, type, body)
SELECT
    new.stream,
    numbered.last - count(*) OVER (PARTITION BY new.stream)
    + row_number() OVER (PARTITION BY new.stream ORDER BY new.place),
    clock_timestamp(), new.type, new.body::jsonb
FROM new INNER JOIN numbered ON numbered.name = new.stream
