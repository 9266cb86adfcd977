-- $1 page, $2 digest of the token, $3 version of the settings
UPDATE page SET stopped_token = $2, stopped_version = $3 WHERE page = $1
