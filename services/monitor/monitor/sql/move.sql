-- Takes the partition for this transaction, whichever topic it is about, and notes how far that one was read.
-- $1 partition, $2 topic, $3 time of its last record
UPDATE place SET
    outcomes = CASE $2 WHEN 'outcomes' THEN greatest(outcomes, $3) ELSE outcomes END,
    commands = CASE $2 WHEN 'messenger.commands' THEN greatest(commands, $3) ELSE commands END,
    conversations = CASE $2 WHEN 'conversations' THEN greatest(conversations, $3) ELSE conversations END
WHERE partition = $1
