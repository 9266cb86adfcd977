-- Ours that arrived or were seen: sent up to a time, or named. The channel's clock and ours may differ by a second; of a
-- conversation the last 200 entries are looked at. $1 conversations, $2 entries up to which, $3 times (NULL: none), $4 mids as
-- JSON arrays, $5 the state
UPDATE entry AS e SET delivery_state = $5
FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[]) AS told (conversation, seq, until, mids)
WHERE e.conversation = told.conversation AND e.seq > told.seq - 200
    AND (e.delivery_state = 'sent' OR (e.delivery_state = 'delivered' AND $5 = 'seen'))
    AND (e.sent_at <= told.until + interval '1 second' OR told.mids::jsonb ? e.mid)
RETURNING e.*
