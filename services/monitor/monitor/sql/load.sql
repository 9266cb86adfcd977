-- $1 conversations
SELECT conversation, state FROM watch WHERE conversation = ANY ($1)
