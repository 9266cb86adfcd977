-- Counts an attempt before it is judged, so that many at once cannot pass together. $1 buckets, $2 now, $3 window's begin
INSERT INTO login_bucket AS b (bucket, window_start, failures)
SELECT bucket, $2::timestamptz, 1 FROM unnest($1::integer[]) AS new (bucket) ORDER BY bucket
ON CONFLICT (bucket) DO UPDATE SET
    window_start = CASE WHEN b.window_start <= $3 THEN excluded.window_start ELSE b.window_start END,
    failures = CASE WHEN b.window_start <= $3 THEN 1 ELSE b.failures + 1 END
RETURNING bucket, window_start, failures
