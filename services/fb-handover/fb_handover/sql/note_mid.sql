-- $1 positions, $2 mids, $3 states
UPDATE outgoing SET mid = told.mid, state = told.state, updated_at = clock_timestamp()
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS told (position, mid, state)
WHERE outgoing.position = told.position
