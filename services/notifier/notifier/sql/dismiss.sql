-- Episodes that somebody took up, or that ended: what is not yet being sent never is. Returns how many that were.
-- $1 episodes, $2 now
WITH marked AS (
    UPDATE email
    SET needed = false,
        state = CASE state WHEN 'due' THEN 'not needed' ELSE state END,
        started = CASE state WHEN 'due' THEN '' ELSE started END,
        changed_at = $2
    WHERE episode = ANY ($1) AND state IN ('due', 'sending')
    RETURNING state
)
SELECT count(*) FILTER (WHERE state = 'not needed') FROM marked
