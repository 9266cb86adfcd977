UPDATE conversation SET read_seq = $2, unread = $3 WHERE id = $1
