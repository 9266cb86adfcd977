-- What was told live of a message before it was taken back. $1 the conversation's stream, $2 the bot's, $3 conversation, $4 seq
UPDATE live_event SET body = CASE type
    WHEN 'entry.changed' THEN jsonb_set(
        jsonb_set(jsonb_set(body, '{entry,text}', '""'), '{entry,edits}', '[]'),
        '{entry,content,input}',
        (body #> '{entry,content,input}') || '{"text": "", "payload": null, "attachments": []}'::jsonb
    )
    ELSE jsonb_set(body, '{conversation,last,text}', '""')
END
WHERE (stream = $1 AND type = 'entry.changed' AND (body #>> '{entry,seq}')::bigint = $4)
    OR (
        stream IN ($1, $2) AND type IN ('conversation.changed', 'inbox.changed')
        AND body #>> '{conversation,id}' = $3 AND (body #>> '{conversation,last,seq}')::bigint = $4
    )
