UPDATE episode SET ended_at = $2, end_cause = $3 WHERE id = $1
