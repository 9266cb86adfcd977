-- Customers' entries that the bot had not answered are a person's now. $1 conversations, $2 seqs
UPDATE entry AS e SET content = jsonb_set(content, '{addressed}', '"person"', false)
FROM unnest($1::text[], $2::bigint[]) AS taken (conversation, seq)
WHERE e.conversation = taken.conversation AND e.seq = taken.seq AND e.kind = 'customer_message'
RETURNING e.*
