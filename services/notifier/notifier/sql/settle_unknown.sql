-- E-mails whose sender died while sending: not tried again if not needed any more, or if this happened before.
-- $1 partition, $2 now, $3 unknown outcomes after which it is left alone
UPDATE email
SET unknowns = unknowns + 1,
    state = CASE WHEN unknowns + 1 >= $3 OR NOT needed THEN 'uncertain' ELSE 'due' END,
    started = CASE WHEN unknowns + 1 >= $3 OR NOT needed THEN '' ELSE started END,
    note = 'the process ended while it was being sent',
    claim = NULL,
    changed_at = $2
WHERE partition = $1 AND state = 'sending' AND due_at <= $2
RETURNING state
