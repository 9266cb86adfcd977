-- Whose the next episode is to be, while the bot has the conversation.
ALTER TABLE conversation ADD COLUMN assigned_id text, ADD COLUMN assigned_name text;
CREATE INDEX conversation_assigned ON conversation (assigned_id) WHERE assigned_id IS NOT NULL;
