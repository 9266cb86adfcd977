-- Two processes may have made one each at the same time: the first stays, and is what both use.
-- $1 page, $2 name, $3 picture, $4 id
INSERT INTO persona (page, name, picture, persona) VALUES ($1, $2, $3, $4)
ON CONFLICT (page, name, picture) DO UPDATE SET persona = persona.persona
RETURNING persona
