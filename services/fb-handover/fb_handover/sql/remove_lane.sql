-- $1 conversation, $2 fence
DELETE FROM lane WHERE conversation = $1 AND fence = $2
