-- What became of it. Tried again ('due') only if it is still needed. Returns the state it is in now.
-- $1 episode, $2 address key, $3 claim, $4 state, $5 next attempt, $6 unknown outcomes, $7 note, $8 now
UPDATE email
SET state = CASE WHEN $4 = 'due' AND NOT needed THEN CASE WHEN $6 > 0 THEN 'uncertain' ELSE 'not needed' END ELSE $4 END,
    started = CASE WHEN $4 = 'due' AND needed THEN started ELSE '' END,
    due_at = COALESCE($5, due_at),
    unknowns = $6,
    note = $7,
    claim = NULL,
    changed_at = $8
WHERE episode = $1 AND address_key = $2 AND claim = $3 AND state IN ('due', 'sending')
RETURNING state
