SELECT *, event::text AS event_text FROM command WHERE id = $1
