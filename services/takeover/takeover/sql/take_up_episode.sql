UPDATE episode SET taken_up_at = $2, taken_up_by = $3 WHERE id = $1 AND taken_up_at IS NULL
