-- How far each topic of a partition was read: the time of the last record that counted. Its row is what handlers of the three
-- topics lock, so that none of them decides beside another.
CREATE TABLE place (
    partition integer PRIMARY KEY,
    outcomes timestamptz,
    commands timestamptz,
    conversations timestamptz
);

-- Conversations with a takeover, or with a message under way. Holds nothing that anybody said.
CREATE TABLE watch (
    conversation text PRIMARY KEY,
    partition integer NOT NULL,
    state text NOT NULL, -- Watch as JSON
    quiet boolean NOT NULL, -- kept only for commands that may come late
    is_open boolean NOT NULL, -- a takeover is open
    waiting_since timestamptz, -- of a takeover that nobody has taken up
    changed_at timestamptz NOT NULL -- the time of the last record that counted
);
CREATE INDEX watch_partition ON watch (partition, changed_at);
CREATE INDEX watch_waiting ON watch (partition) WHERE waiting_since IS NOT NULL;

-- Each message of the bot's that was commanded, or left, where a person had the conversation.
CREATE TABLE two_voices (
    command text PRIMARY KEY,
    partition integer NOT NULL,
    conversation text NOT NULL,
    epoch integer NOT NULL,
    seq integer NOT NULL,
    episode text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('commanded', 'sent')),
    found_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX two_voices_partition ON two_voices (partition, found_at);
