-- An entry; whether the message that it repeats has arrived, and whether it was itself sent again and that has not failed.
-- $1 conversation, $2 seq
SELECT
    e.*,
    EXISTS (
        SELECT FROM entry AS before
        WHERE before.conversation = $1 AND before.seq < $2 AND before.content ->> 'command' = e.content ->> 'again'
            AND before.delivery_state IN ('sent', 'delivered', 'seen')
    ) AS arrived,
    EXISTS (
        SELECT FROM entry AS after
        WHERE after.conversation = $1 AND after.seq > $2 AND after.content ->> 'again' = e.content ->> 'command'
            AND coalesce(after.delivery_state, 'queued') NOT IN ('uncertain', 'not_delivered', 'suppressed')
    ) AS repeated
FROM entry AS e WHERE e.conversation = $1 AND e.seq = $2 AND e.kind IS NOT NULL
