-- The attempt was right: it does not count for the address, and the account begins anew. $1 account's, $2 address's
UPDATE login_bucket SET failures = CASE WHEN bucket = $1 THEN 0 ELSE greatest(failures - 1, 0) END
WHERE bucket IN ($1, $2)
