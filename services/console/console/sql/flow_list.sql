SELECT
    f.id, f.bot, f.revision, f.updated_at, f.updated_by::text AS updated_by,
    (SELECT max(v.version) FROM flow_version AS v WHERE v.flow = f.id AND v.published_at IS NOT NULL) AS published
FROM flow AS f WHERE f.bot = $1 ORDER BY f.id LIMIT $2
