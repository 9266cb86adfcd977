-- Takes due e-mails, oldest first. Until $4 they are this process's; after that they are taken for lost.
-- $1 partition, $2 now, $3 how many, $4 end of the claim, $5 claim
UPDATE email
SET claim = $5, due_at = $4, attempts = attempts + 1, changed_at = $2
WHERE (episode, address_key) IN (
    SELECT episode, address_key FROM email
    WHERE partition = $1 AND state = 'due' AND due_at <= $2
    ORDER BY due_at
    LIMIT $3
)
RETURNING episode, address_key, address, conversation, message_id, started, started_at, claim, attempts, unknowns, created_at
