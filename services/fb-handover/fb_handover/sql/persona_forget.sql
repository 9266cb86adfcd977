-- $1 page, $2 id
DELETE FROM persona WHERE page = $1 AND persona = $2
