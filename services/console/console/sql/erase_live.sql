-- $1 the conversation's stream, $2 how the inboxes' streams begin, $3 conversation
DELETE FROM live_event
WHERE stream = $1 OR (starts_with(stream, $2) AND body -> 'conversation' ->> 'id' = $3)
