SELECT id FROM conversation WHERE holder_id = $1 AND owner = 'human' ORDER BY id
