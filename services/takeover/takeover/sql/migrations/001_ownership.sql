-- Who has each conversation. `state` is the whole of it, as `takeover.state.Conversation`; the other columns repeat what people look for.
CREATE TABLE conversation (
    id text PRIMARY KEY,
    partition integer NOT NULL,
    bot text NOT NULL,
    owner text NOT NULL,
    epoch integer NOT NULL,
    seq bigint NOT NULL,
    state json NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- One row a takeover: what reports count. Written from the outcomes, in the transaction that decides them.
CREATE TABLE episode (
    id text PRIMARY KEY,
    conversation text NOT NULL,
    bot text NOT NULL,
    cause text NOT NULL,
    block text NOT NULL,
    started_at timestamptz NOT NULL,
    taken_up_at timestamptz,
    taken_up_by text,
    ended_at timestamptz,
    end_cause text
);
CREATE INDEX episode_of_conversation ON episode (conversation, started_at);

-- At most one timer of a kind for a conversation. It fires through the log: `event` is appended there when `due_at` comes.
CREATE TABLE timer (
    conversation text NOT NULL,
    kind text NOT NULL,
    partition integer NOT NULL,
    due_at timestamptz NOT NULL,
    event json NOT NULL,
    PRIMARY KEY (conversation, kind)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timer_due ON timer (partition, due_at);

-- Every version of a bot's settings that was ever in force, and from which place in a partition on: folding again needs both.
CREATE TABLE bot_settings (
    bot text NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,
    PRIMARY KEY (bot, version)
);
CREATE TABLE settings_in_force (
    partition integer NOT NULL,
    bot text NOT NULL,
    version integer NOT NULL,
    from_offset bigint NOT NULL,
    PRIMARY KEY (partition, bot, version)
);
