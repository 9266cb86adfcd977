-- Those that an operator has, and those whose next episode is to be theirs
SELECT id FROM conversation WHERE (holder_id = $1 AND owner = 'human') OR assigned_id = $1 ORDER BY id
