SELECT id, password_hash, active FROM operator WHERE email = $1
