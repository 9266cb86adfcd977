-- Appends commands in the order given; those that are there already are left as they are.
-- $1 conversations, $2 partition, $3 pages, $4 commands, $5 epochs, $6 kinds, $7 bodies, $8 traceparents, $9 states, $10 steps
INSERT INTO outgoing (conversation, partition, page, command, epoch, kind, body, traceparent, state, step)
SELECT conversation, $2, page, command, epoch, kind, body, traceparent, state, step
FROM unnest($1::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::json[], $8::text[], $9::text[], $10::text[])
    WITH ORDINALITY AS incoming (conversation, page, command, epoch, kind, body, traceparent, state, step, place)
ORDER BY place
ON CONFLICT (command) DO NOTHING
RETURNING command
