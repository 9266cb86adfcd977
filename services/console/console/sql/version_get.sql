SELECT *, published_by::text AS published_by_text FROM flow_version WHERE flow = $1 AND version = $2
