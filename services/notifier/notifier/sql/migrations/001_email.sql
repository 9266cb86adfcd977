-- One row for each e-mail: an episode and an address. It is the ledger: what is sent was written here before.
CREATE TABLE email (
    episode text NOT NULL,
    address_key text NOT NULL, -- the address without regard to capitals
    address text NOT NULL,
    conversation text NOT NULL,
    partition integer NOT NULL, -- of outcomes: whoever owns it sends
    message_id text NOT NULL,
    started text NOT NULL, -- TakeoverStarted as JSON; emptied when the state is final
    started_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('due', 'sending', 'sent', 'not needed', 'refused', 'uncertain', 'given up')),
    needed boolean NOT NULL DEFAULT true, -- false: answered or ended while it was under way
    due_at timestamptz NOT NULL, -- when it is tried, or tried again if whoever has it now dies
    claim uuid, -- who has it now
    attempts integer NOT NULL DEFAULT 0,
    unknowns integer NOT NULL DEFAULT 0, -- sends whose outcome nobody knows
    note text NOT NULL DEFAULT '', -- the server's answer, or why not
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (episode, address_key)
);
CREATE INDEX email_due ON email (due_at) WHERE state IN ('due', 'sending');
CREATE INDEX email_changed ON email (changed_at) WHERE state NOT IN ('due', 'sending');
