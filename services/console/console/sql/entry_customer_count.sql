SELECT count(*)::integer FROM entry WHERE conversation = $1 AND seq > $2 AND kind = 'customer_message'
