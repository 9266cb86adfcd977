UPDATE command SET acknowledged = true WHERE id = $1 AND NOT acknowledged
