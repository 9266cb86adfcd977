-- Whether an echo can still tell something about any of these commands. $1 commands
SELECT EXISTS (
    SELECT FROM outgoing
    WHERE command = ANY ($1::text[])
        AND (state IN ('waiting', 'sending', 'uncertain') OR (state IN ('suppressed', 'refused') AND attempts > 0))
)
