UPDATE flow_version SET published_at = $2 WHERE id = $1 AND published_at IS NULL RETURNING id
