-- What a row met since it was read. $1 position
SELECT state, silenced, mid, part FROM outgoing WHERE position = $1 FOR UPDATE
