-- What each wanted stream has beyond a number; the streams without news are left out. $1 streams, $2 after, $3 most rows
SELECT want.stream, want.after, s.last, e.seq, e.at, e.type, e.body::text AS body
FROM unnest($1::text[], $2::bigint[]) AS want (stream, after)
INNER JOIN stream AS s ON s.name = want.stream AND s.last > want.after
LEFT JOIN LATERAL (
    SELECT l.seq, l.at, l.type, l.body FROM live_event AS l
    WHERE l.stream = want.stream AND l.seq > want.after
    ORDER BY l.seq
    LIMIT $3
) AS e ON true
ORDER BY want.stream, want.after, e.seq
