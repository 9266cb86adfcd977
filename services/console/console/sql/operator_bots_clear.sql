DELETE FROM operator_bot WHERE operator = $1
