-- Accounts -----------------------------------------------------------------------------------------------------------

CREATE TABLE operator (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,  -- lower case
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'operator')),
    active boolean NOT NULL DEFAULT true,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE session (
    token_hash bytea PRIMARY KEY,
    operator text NOT NULL REFERENCES operator ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    last_seen timestamptz NOT NULL
);
CREATE INDEX session_operator ON session (operator);
CREATE INDEX session_last_seen ON session (last_seen);

-- At most 131,072 rows: a bucket is a hash of an account or of an address.
CREATE TABLE login_bucket (
    bucket integer PRIMARY KEY,
    window_start timestamptz NOT NULL,
    failures integer NOT NULL
);

-- Bots and flows -----------------------------------------------------------------------------------------------------

CREATE TABLE bot (
    id text PRIMARY KEY,
    name text NOT NULL,
    fallback_text text NOT NULL,
    takeover jsonb NOT NULL,
    version integer NOT NULL,
    flow text,                          -- <flow>@<version>, once the broker has it
    flow_order bigint NOT NULL DEFAULT 0,  -- flow_version.id of `flow`: an older publication never replaces a newer one
    updated_at timestamptz NOT NULL,
    updated_by text
);

CREATE TABLE operator_bot (
    operator text NOT NULL REFERENCES operator ON DELETE CASCADE,
    bot text NOT NULL REFERENCES bot ON DELETE CASCADE,
    PRIMARY KEY (operator, bot)
);

-- app_secret, verify_token and page_token are encrypted.
CREATE TABLE messenger_channel (
    page_id text PRIMARY KEY,
    bot text NOT NULL REFERENCES bot,
    page_name text NOT NULL,
    app_id text NOT NULL,
    app_secret text NOT NULL,
    verify_token text NOT NULL,
    page_token text NOT NULL,
    messenger_inbox_notification boolean NOT NULL DEFAULT false,
    page_inbox_app text NOT NULL,
    has_default_app boolean NOT NULL DEFAULT true,
    bot_apps text[] NOT NULL DEFAULT '{}',
    automatic_replies text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX messenger_channel_bot ON messenger_channel (bot);

-- The documents are text: jsonb would lose the order of keys.
CREATE TABLE flow (
    id text PRIMARY KEY,
    bot text NOT NULL REFERENCES bot,
    revision integer NOT NULL,
    document text NOT NULL,
    problems jsonb NOT NULL,
    last_version integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL,
    updated_by jsonb NOT NULL
);
CREATE INDEX flow_bot ON flow (bot, id);

CREATE TABLE flow_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    flow text NOT NULL REFERENCES flow,
    version integer NOT NULL,
    bot text NOT NULL REFERENCES bot,
    revision integer NOT NULL,
    document text NOT NULL,
    note text NOT NULL,
    published_by jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    published_at timestamptz,  -- when the broker had it
    UNIQUE (flow, version)
);
CREATE INDEX flow_version_pending ON flow_version (id) WHERE published_at IS NULL;

-- Transcript ---------------------------------------------------------------------------------------------------------

-- All but seq, the last_* columns and read_seq follow from the topic `outcomes` alone, in its order.
CREATE TABLE conversation (
    id text PRIMARY KEY,
    bot text,  -- NULL until the first outcome: nobody sees it until then
    channel text NOT NULL,
    customer_name text NOT NULL DEFAULT '',
    picture_url text NOT NULL DEFAULT '',
    owner text NOT NULL DEFAULT 'bot' CHECK (owner IN ('bot', 'human')),
    epoch bigint NOT NULL DEFAULT 0,
    episode text,
    attended boolean NOT NULL DEFAULT false,
    venue text,
    holder_id text,
    holder_name text,
    deadline timestamptz,
    cause text,
    inferred boolean NOT NULL DEFAULT false,
    fault text NOT NULL DEFAULT '',
    block text NOT NULL DEFAULT '',
    block_name text NOT NULL DEFAULT '',
    since timestamptz,
    thread_owner text NOT NULL DEFAULT 'unknown',
    thread_app text,
    thread_reason text NOT NULL DEFAULT '',
    moved_to_done boolean NOT NULL DEFAULT false,
    flow text,
    flow_block text,
    waits_for text,
    attributes jsonb NOT NULL DEFAULT '{}',
    seq bigint NOT NULL DEFAULT 0,
    last_seq bigint NOT NULL DEFAULT 0,
    last_speaker text,
    last_name text NOT NULL DEFAULT '',
    last_text text NOT NULL DEFAULT '',
    last_said_at timestamptz,
    last_at timestamptz NOT NULL,
    begun boolean NOT NULL DEFAULT false,  -- has an entry; until then last_at is of its first record
    customer_seq bigint NOT NULL DEFAULT 0,
    unread integer NOT NULL DEFAULT 0,
    read_seq bigint NOT NULL DEFAULT 0
);
CREATE INDEX conversation_recent ON conversation (last_at DESC, id DESC) WHERE bot IS NOT NULL;
CREATE INDEX conversation_of_bot ON conversation (bot, last_at DESC, id DESC);
CREATE INDEX conversation_owner ON conversation (owner, last_at DESC, id DESC) WHERE bot IS NOT NULL;
CREATE INDEX conversation_waiting ON conversation (last_at DESC, id DESC) WHERE owner = 'human' AND NOT attended;
CREATE INDEX conversation_held ON conversation (holder_id, last_at DESC, id DESC) WHERE holder_id IS NOT NULL;

-- Search in names by any part of them needs pg_trgm, which a managed database may not offer; without it it is a scan.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX conversation_name ON conversation USING gin (lower(customer_name) gin_trgm_ops);
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR undefined_object OR feature_not_supported THEN
        RAISE WARNING 'no index for customers'' names: %', SQLERRM;
END
$$;

-- kind NULL: only what became of it is known so far; the entry itself comes by another topic.
CREATE TABLE entry (
    conversation text NOT NULL REFERENCES conversation,
    seq bigint NOT NULL,
    kind text,
    at timestamptz,
    epoch bigint,
    episode text,
    speaker text,
    person_id text,
    person_name text,
    text text NOT NULL DEFAULT '',
    content jsonb,
    delivery_state text,
    delivery_reason text NOT NULL DEFAULT '',
    mid text NOT NULL DEFAULT '',
    PRIMARY KEY (conversation, seq)
);

CREATE TABLE episode (
    id text PRIMARY KEY,
    conversation text NOT NULL REFERENCES conversation,
    cause text,
    inferred boolean NOT NULL DEFAULT false,
    by_id text,
    by_name text,
    block text NOT NULL DEFAULT '',
    block_name text NOT NULL DEFAULT '',
    started_at timestamptz,
    attended_at timestamptz,
    first_answer_at timestamptz,
    ended_at timestamptz,
    end_cause text,
    ended_by_id text,
    ended_by_name text,
    mode text,
    note text NOT NULL DEFAULT '',
    answered boolean
);
CREATE INDEX episode_of_conversation ON episode (conversation, started_at DESC);

-- Operators' commands ------------------------------------------------------------------------------------------------

CREATE TABLE command (
    id text PRIMARY KEY,
    operator text NOT NULL,
    conversation text NOT NULL,
    kind text NOT NULL,
    body_hash bytea NOT NULL,
    event jsonb NOT NULL,  -- the very record: a repetition publishes the same one
    sent_at timestamptz NOT NULL,
    acknowledged boolean NOT NULL DEFAULT false,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'refused')),
    decision jsonb,
    decided_at timestamptz
);
CREATE INDEX command_sent ON command (sent_at);

-- Live events --------------------------------------------------------------------------------------------------------

-- Updating the row of a stream is the lock under which its next numbers are given, until the commit: numbers have no
-- gaps and become visible in their order.
CREATE TABLE stream (
    name text PRIMARY KEY,
    last bigint NOT NULL
);

CREATE TABLE live_event (
    stream text NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    type text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (stream, seq)
);
CREATE INDEX live_event_at ON live_event (at);
