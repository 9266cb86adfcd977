DELETE FROM timer USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS t (conversation, kind, due_at)
WHERE timer.conversation = t.conversation AND timer.kind = t.kind AND timer.due_at = t.due_at
