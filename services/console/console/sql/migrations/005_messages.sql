-- What customers do with messages that are there, and which of ours reached them.
-- `sent_at`: when the channel took it. `edits`: what it said before, with when it was replaced, oldest first.
ALTER TABLE entry
    ADD COLUMN sent_at timestamptz,
    ADD COLUMN edits jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN edit_number integer,
    ADD COLUMN deleted boolean NOT NULL DEFAULT false,
    ADD COLUMN reaction text NOT NULL DEFAULT '';
