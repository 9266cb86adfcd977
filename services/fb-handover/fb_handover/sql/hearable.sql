-- Those of these commands about which an echo can still tell something: once it cannot, it never can again. $1 commands
SELECT command FROM outgoing
WHERE command = ANY ($1::text[])
    AND (state IN ('waiting', 'sending', 'uncertain') OR (state IN ('suppressed', 'refused') AND attempts > 0))
