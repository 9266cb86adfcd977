-- Only commands that were given here have a row. $1 a JSON array of rows
UPDATE command AS c SET
    status = new.status,
    decision = new.decision,
    decided_at = new.decided_at,
    acknowledged = true
FROM jsonb_to_recordset($1::text::jsonb) AS new (id text, status text, decision jsonb, decided_at timestamptz)
WHERE c.id = new.id
RETURNING c.*
