-- Gives a segment to a week; returns a row if it held another week, whose events are to be dropped. $1 segment, $2 week
UPDATE seen_segment SET week = $2 WHERE segment = $1 AND week < $2 RETURNING segment
