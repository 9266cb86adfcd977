SELECT * FROM episode WHERE conversation = $1 ORDER BY started_at DESC NULLS LAST, id DESC LIMIT $2
