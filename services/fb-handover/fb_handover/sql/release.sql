-- $1 conversation, $2 fence, $3 seconds until the next attempt
UPDATE lane SET owner = NULL, due_at = clock_timestamp() + make_interval(secs => $3) WHERE conversation = $1 AND fence = $2
