-- Appends commands in the order given; those that are there already are left as they are. One that is `sending` at once has
-- its ledger entry with it. $1 conversations, $2 partition, $3 pages, $4 commands, $5 epochs, $6 kinds, $7 bodies,
-- $8 traceparents, $9 states, $10 steps
INSERT INTO outgoing (conversation, partition, page, command, epoch, kind, body, traceparent, state, step, sending_at, attempts)
SELECT conversation, $2, page, command, epoch, kind, body, traceparent, state, step,
    CASE state WHEN 'sending' THEN clock_timestamp() END, CASE state WHEN 'sending' THEN 1 ELSE 0 END
FROM unnest($1::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::json[], $8::text[], $9::text[], $10::text[])
    WITH ORDINALITY AS incoming (conversation, page, command, epoch, kind, body, traceparent, state, step, place)
ORDER BY place
ON CONFLICT (command) DO NOTHING
RETURNING command, position
