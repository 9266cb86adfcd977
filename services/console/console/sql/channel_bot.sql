SELECT bot FROM messenger_channel WHERE page_id = $1
