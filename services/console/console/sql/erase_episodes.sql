-- What an operator noted about the customer. $1 conversation, $2 ended until
UPDATE episode SET note = '' WHERE conversation = $1 AND ended_at <= $2 AND note <> ''
