-- What bot and people said after a place. $1 conversation, $2 after, $3 most rows
SELECT seq, speaker, person_id, person_name, text FROM entry
WHERE conversation = $1 AND seq > $2
    AND (kind = 'message' OR kind = 'staff_message' AND NOT (content ->> 'automatic')::boolean)
ORDER BY seq DESC LIMIT $3
