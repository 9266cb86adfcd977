-- What closed messages said goes; who said it, when and why it was stopped stays. What is left is a message without a text,
-- so that an echo that comes late can still be read against it. $1 conversations
UPDATE outgoing
SET body = json_build_object(
        'type', kind, 'id', command, 'conversation', conversation, 'epoch', epoch, 'seq', body -> 'seq', 'at', body -> 'at',
        'speaker', body -> 'speaker', 'operator', body -> 'operator', 'message', json_build_object('text', '')
    )
WHERE conversation = ANY ($1::text[]) AND kind = 'message.send.v1' AND state NOT IN ('waiting', 'sending')
