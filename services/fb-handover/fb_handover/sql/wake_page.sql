-- All conversations of a page that rest. Reads all that have something open: a token is changed by hand. $1 page
UPDATE lane SET due_at = clock_timestamp() WHERE owner IS NULL AND split_part(conversation, ':', 2) = $1
