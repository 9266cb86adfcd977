-- What it said goes, earlier texts too; that there was a message stays. $1 conversation, $2 mid
UPDATE entry SET
    text = '', edits = '[]', deleted = true,
    content = content || jsonb_build_object('input', jsonb_build_object(
        'kind', content -> 'input' -> 'kind', 'text', '', 'payload', NULL, 'attachments', '[]'::jsonb,
        'reply_to', NULL, 'referral', NULL
    ))
WHERE conversation = $1 AND kind = 'customer_message' AND content ->> 'mid' = $2
RETURNING *
