-- What is not told (NULL) stays as it is. $1 a JSON array of rows
INSERT INTO entry AS e (
    conversation, seq, kind, at, epoch, episode, speaker, person_id, person_name, text, content,
    delivery_state, delivery_reason, mid
)
SELECT
    conversation, seq, kind, at, epoch, episode, speaker, person_id, person_name, coalesce(text, ''), content,
    delivery_state, coalesce(delivery_reason, ''), coalesce(mid, '')
FROM jsonb_to_recordset($1::text::jsonb) AS new (
    conversation text, seq bigint, kind text, at timestamptz, epoch bigint, episode text, speaker text,
    person_id text, person_name text, text text, content jsonb, delivery_state text, delivery_reason text, mid text
)
ORDER BY conversation, seq
ON CONFLICT (conversation, seq) DO UPDATE SET
    kind = coalesce(excluded.kind, e.kind),
    at = coalesce(excluded.at, e.at),
    epoch = coalesce(excluded.epoch, e.epoch),
    episode = coalesce(excluded.episode, e.episode),
    speaker = coalesce(excluded.speaker, e.speaker),
    person_id = coalesce(excluded.person_id, e.person_id),
    person_name = coalesce(excluded.person_name, e.person_name),
    text = CASE WHEN excluded.kind IS NULL THEN e.text ELSE excluded.text END,
    content = coalesce(excluded.content, e.content),
    delivery_state = coalesce(excluded.delivery_state, e.delivery_state),
    delivery_reason = CASE
        WHEN excluded.delivery_state IS NULL THEN e.delivery_reason ELSE excluded.delivery_reason
    END,
    mid = CASE WHEN excluded.mid = '' THEN e.mid ELSE excluded.mid END
RETURNING e.*
