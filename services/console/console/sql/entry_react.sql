-- Also before the entry itself has come, by the mid that its sending told. $1 conversation, $2 mid, $3 reaction
UPDATE entry SET reaction = $3
WHERE conversation = $1 AND (mid = $2 OR content ->> 'mid' = $2) AND NOT deleted
RETURNING *
