WITH numbered AS (
    UPDATE flow SET last_version = last_version + 1 WHERE id = $1 RETURNING last_version
)
INSERT INTO flow_version (flow, version, bot, revision, document, note, published_by, created_at)
SELECT $1::text, numbered.last_version, $2::text, $3::integer, $4::text, $5::text, $6::text::jsonb, $7::timestamptz FROM numbered
RETURNING *, published_by::text AS published_by_text
