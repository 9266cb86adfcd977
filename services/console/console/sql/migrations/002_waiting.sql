-- What an operator had whose account was closed waits for somebody, too.
DROP INDEX conversation_waiting;
CREATE INDEX conversation_waiting ON conversation (last_at DESC, id DESC)
WHERE owner = 'human' AND (NOT attended OR (venue = 'inbox' AND holder_id IS NULL));
