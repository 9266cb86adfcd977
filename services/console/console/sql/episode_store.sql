-- What is not told (NULL) stays as it is; the earliest first answer counts. $1 a JSON array of rows
INSERT INTO episode AS e (
    id, conversation, cause, inferred, by_id, by_name, block, block_name, started_at, attended_at, first_answer_at,
    ended_at, end_cause, ended_by_id, ended_by_name, mode, note, answered
)
SELECT
    id, conversation, cause, coalesce(inferred, false), by_id, by_name, coalesce(block, ''), coalesce(block_name, ''),
    started_at, attended_at, first_answer_at, ended_at, end_cause, ended_by_id, ended_by_name, mode,
    coalesce(note, ''), answered
FROM jsonb_to_recordset($1::text::jsonb) AS new (
    id text, conversation text, cause text, inferred boolean, by_id text, by_name text, block text, block_name text,
    started_at timestamptz, attended_at timestamptz, first_answer_at timestamptz, ended_at timestamptz,
    end_cause text, ended_by_id text, ended_by_name text, mode text, note text, answered boolean
)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    cause = coalesce(excluded.cause, e.cause),
    inferred = e.inferred OR excluded.inferred,
    by_id = coalesce(excluded.by_id, e.by_id),
    by_name = coalesce(excluded.by_name, e.by_name),
    block = CASE WHEN excluded.block = '' THEN e.block ELSE excluded.block END,
    block_name = CASE WHEN excluded.block_name = '' THEN e.block_name ELSE excluded.block_name END,
    started_at = coalesce(excluded.started_at, e.started_at),
    attended_at = coalesce(e.attended_at, excluded.attended_at),
    first_answer_at = least(e.first_answer_at, excluded.first_answer_at),
    ended_at = coalesce(excluded.ended_at, e.ended_at),
    end_cause = coalesce(excluded.end_cause, e.end_cause),
    ended_by_id = coalesce(excluded.ended_by_id, e.ended_by_id),
    ended_by_name = coalesce(excluded.ended_by_name, e.ended_by_name),
    mode = coalesce(excluded.mode, e.mode),
    note = CASE WHEN excluded.note = '' THEN e.note ELSE excluded.note END,
    answered = coalesce(excluded.answered, e.answered)
