-- What operators wrote, and what refusals showed them. What is not acknowledged is still to be published, as it is.
-- $1 conversation, $2 given until
UPDATE command
SET event = event || CASE WHEN event ? 'text' THEN '{"text": "(erased)"}'::jsonb ELSE '{}'::jsonb END
        || CASE WHEN event ? 'media' THEN '{"media": null}'::jsonb ELSE '{}'::jsonb END
        || CASE WHEN event ? 'note' THEN '{"note": ""}'::jsonb ELSE '{}'::jsonb END,
    decision = CASE WHEN decision IS NOT NULL THEN decision || '{"newer": []}'::jsonb END
WHERE conversation = $1 AND sent_at <= $2 AND acknowledged
