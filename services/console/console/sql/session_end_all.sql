DELETE FROM session WHERE operator = $1
