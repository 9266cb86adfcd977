-- What a command meets: the conversation, whether its id is known already, and what bot and people said after an entry.
-- $1 conversation, $2 command, $3 after (null: not asked), $4 most lines
SELECT
    c.*,
    EXISTS (SELECT FROM command WHERE id = $2) AS given,
    coalesce(
        (SELECT human_agent FROM messenger_channel WHERE page_id = split_part(c.id, ':', 2)), true
    ) AS human_agent,
    (
        SELECT json_agg(line ORDER BY line.seq)
        FROM (
            SELECT seq, speaker, coalesce(person_id, '') AS by, coalesce(person_name, '') AS name, text FROM entry
            WHERE conversation = $1 AND seq > $3::bigint
                AND (kind = 'message' OR kind = 'staff_message' AND NOT (content ->> 'automatic')::boolean)
            ORDER BY seq DESC LIMIT $4
        ) AS line
    ) AS newer
FROM conversation AS c WHERE c.id = $1 AND c.bot IS NOT NULL
