-- $1 sent before, $2 most rows
DELETE FROM command WHERE id IN (SELECT id FROM command WHERE sent_at < $1 ORDER BY sent_at LIMIT $2)
