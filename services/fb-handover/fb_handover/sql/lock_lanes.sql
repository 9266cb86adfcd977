-- $1 conversations
SELECT conversation FROM lane WHERE conversation = ANY ($1::text[]) ORDER BY conversation FOR UPDATE
