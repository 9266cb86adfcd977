-- $1 page, $2 name, $3 picture
SELECT persona FROM persona WHERE page = $1 AND name = $2 AND picture = $3
