-- What all processes share about a page: whether anything may be asked of Facebook for it, and how much a second. A page
-- without a row has had no request yet, and nothing against it.
CREATE TABLE page (
    page text PRIMARY KEY,
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    paused_for double precision NOT NULL DEFAULT 0, -- seconds of the last pause for which Facebook named no time
    slow_until timestamptz NOT NULL DEFAULT '-infinity',
    tags_stopped_until timestamptz NOT NULL DEFAULT '-infinity',
    stopped_token text, -- which token Facebook refused: a digest of how it was encrypted. Nothing is asked until it is another
    stopped_version integer, -- of the settings that it stood in
    trouble text NOT NULL DEFAULT '', -- what was told of sending last: a word, empty for all is well
    reason text NOT NULL DEFAULT '',
    -- Three token buckets. Each is the time up to which its tokens are spent.
    text_spent timestamptz NOT NULL DEFAULT '-infinity',
    media_spent timestamptz NOT NULL DEFAULT '-infinity',
    look_spent timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
