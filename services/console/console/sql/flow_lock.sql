SELECT *, problems::text AS problems_text, updated_by::text AS updated_by_text FROM flow WHERE id = $1 FOR UPDATE
