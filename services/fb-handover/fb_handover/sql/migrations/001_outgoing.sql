-- Commands for Facebook, in the order in which they were given. A command's row is also the ledger of its sending: it is
-- `sending` before the first byte leaves, so that a row found so afterwards has an unknown outcome.
CREATE TABLE outgoing (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- rises within a conversation
    conversation text NOT NULL,
    partition integer NOT NULL,
    page text NOT NULL,
    command text NOT NULL UNIQUE,
    epoch integer NOT NULL,
    kind text NOT NULL,
    body json NOT NULL, -- not jsonb, which refuses texts that hold \u0000
    traceparent text,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'sending', 'done', 'suppressed', 'refused', 'uncertain')),
    step text NOT NULL,
    part integer NOT NULL DEFAULT 0,
    riding boolean NOT NULL DEFAULT true,
    retaken boolean NOT NULL DEFAULT false,
    silenced boolean NOT NULL DEFAULT false, -- Silence met it while it was being sent
    unknowns integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    mid text,
    reason text NOT NULL DEFAULT '',
    not_before timestamptz,
    sending_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- A conversation's first open command.
CREATE INDEX outgoing_open ON outgoing (conversation, position) WHERE state IN ('waiting', 'sending');
-- A partition's oldest open command.
CREATE INDEX outgoing_backlog ON outgoing (partition, created_at) WHERE state IN ('waiting', 'sending');
-- What is old enough to go.
CREATE INDEX outgoing_closed ON outgoing (updated_at) WHERE state NOT IN ('waiting', 'sending');

-- One row for each conversation that has open commands: whose turn it is, and whose work. Whoever works on a conversation
-- has claimed its lane under a fence of its own; `due_at` is then the end of the claim, else the time of the next attempt.
-- Lanes are always locked before rows of `outgoing`, several of them in the order of their names.
CREATE TABLE lane (
    conversation text PRIMARY KEY,
    partition integer NOT NULL,
    due_at timestamptz NOT NULL,
    owner text, -- the process that works on it
    fence bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX lane_due ON lane (partition, due_at);
CREATE SEQUENCE lane_fence; -- never given twice, also when a lane was removed and made again
