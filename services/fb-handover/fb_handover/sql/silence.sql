-- Closes what is not yet being sent, and marks what is, so that it does not begin again. Questions are let be: they say
-- nothing and move nothing. A person's words are let be too: they were accepted, and only a bot must not talk over a person.
-- `body` is looked at as text: a quotation mark inside one of its texts has a backslash before it. $1 conversations, $2 epochs
UPDATE outgoing
SET state = CASE
        WHEN state = 'sending' OR (step = 'send' AND mid IS NOT NULL) THEN state -- an echo showed that it has left
        WHEN kind = 'message.send.v1' AND step = 'pass' THEN 'done' -- said; its pass is what is suppressed
        ELSE 'suppressed'
    END,
    silenced = true, updated_at = clock_timestamp()
FROM unnest($1::text[], $2::integer[]) AS silence (conversation, epoch)
WHERE outgoing.conversation = silence.conversation
    AND outgoing.epoch < silence.epoch
    AND outgoing.state IN ('waiting', 'sending')
    AND outgoing.step NOT IN ('read_owner', 'read_profile')
    AND NOT (
        outgoing.kind = 'message.send.v1' AND outgoing.step <> 'pass'
        AND outgoing.body::text LIKE '%"speaker":"operator"%'
    )
RETURNING outgoing.position, outgoing.body, outgoing.state, outgoing.step, outgoing.traceparent
