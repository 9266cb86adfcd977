DELETE FROM timer USING unnest($1::text[], $2::text[]) AS t (conversation, kind)
WHERE timer.conversation = t.conversation AND timer.kind = t.kind
