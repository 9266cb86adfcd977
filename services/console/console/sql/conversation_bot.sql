SELECT bot FROM conversation WHERE id = $1
