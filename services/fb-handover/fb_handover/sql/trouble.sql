-- $1 page, $2 trouble, $3 reason
UPDATE page SET trouble = $2, reason = $3 WHERE page = $1
