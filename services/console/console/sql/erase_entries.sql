-- Texts, attachments and buttons go; kind, place, time, speaker and what became of it stay. $1 conversation, $2 last seq
UPDATE entry
SET text = '', delivery_reason = '', edits = '[]', reaction = '', content = content || CASE kind
        WHEN 'customer_message' THEN jsonb_build_object('input', jsonb_build_object(
            'kind', content -> 'input' -> 'kind', 'text', '', 'payload', NULL, 'attachments', '[]'::jsonb
        ))
        WHEN 'message' THEN jsonb_build_object('message', jsonb_build_object(
            'text', '', 'image_url', NULL, 'quick_replies', '[]'::jsonb, 'buttons', '[]'::jsonb, 'typing', 0,
            'block', content -> 'message' -> 'block'
        ))
        WHEN 'staff_message' THEN '{"attachments": []}'::jsonb
        WHEN 'takeover_started' THEN '{"fault": ""}'::jsonb
        WHEN 'takeover_ended' THEN '{"note": ""}'::jsonb
        WHEN 'answer_suppressed' THEN '{"messages": []}'::jsonb
        ELSE '{}'::jsonb
    END
WHERE conversation = $1 AND seq <= $2 AND kind IS NOT NULL
