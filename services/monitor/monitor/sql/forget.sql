-- What no record to come can change. $1 partition, $2 quiet ones that were last changed before
DELETE FROM watch WHERE partition = $1 AND quiet AND changed_at < $2
