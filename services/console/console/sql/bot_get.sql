SELECT *, takeover::text AS takeover_text FROM bot WHERE id = $1
