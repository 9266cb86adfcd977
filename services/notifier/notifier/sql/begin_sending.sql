-- The last look before a message leaves: still due, still needed, still ours. Returns nothing otherwise.
-- $1 episode, $2 address key, $3 claim, $4 now
UPDATE email SET state = 'sending', changed_at = $4
WHERE episode = $1 AND address_key = $2 AND claim = $3 AND state = 'due' AND needed
RETURNING episode
