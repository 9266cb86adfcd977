-- Where a group stands in a partition, and who may move it: one row a partition, changed by compare-and-set on `fence`.
CREATE TABLE consumer_offset (
    slot integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    group_name text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT -1, -- -1: nothing was taken in yet
    PRIMARY KEY (group_name, topic, partition)
) WITH (fillfactor = 50); -- updates stay on their page

-- What is to be published, in order: `body` holds all records of one batch. Rows without a slot are the relay's.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot integer,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE outbox ALTER body SET STORAGE EXTERNAL; -- lives for milliseconds: compressing it is waste
CREATE INDEX outbox_order ON outbox (slot, id);

-- The events that a partition has taken in, as hashes of their ids. A segment is a week; three take turns, so that an
-- id is kept for 7 to 14 days and then goes with its whole segment, without a row being deleted.
CREATE TABLE seen_event (
    segment smallint NOT NULL,
    slot integer NOT NULL,
    event_hash bytea NOT NULL,
    PRIMARY KEY (slot, event_hash, segment)
) PARTITION BY LIST (segment);
CREATE TABLE seen_event_0 PARTITION OF seen_event FOR VALUES IN (0);
CREATE TABLE seen_event_1 PARTITION OF seen_event FOR VALUES IN (1);
CREATE TABLE seen_event_2 PARTITION OF seen_event FOR VALUES IN (2);

-- The week (since 1970) whose events a segment holds.
CREATE TABLE seen_segment (
    segment smallint PRIMARY KEY,
    week integer NOT NULL
);
INSERT INTO seen_segment (segment, week) VALUES (0, -1), (1, -1), (2, -1);
