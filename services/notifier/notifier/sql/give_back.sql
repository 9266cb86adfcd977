-- E-mails that were claimed and not begun are due again, as if nobody had claimed them.
-- $1 claims, $2 now
UPDATE email
SET claim = NULL, due_at = $2, attempts = attempts - 1, changed_at = $2
WHERE state = 'due' AND claim = ANY ($1::uuid[])
