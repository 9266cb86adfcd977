DELETE FROM messenger_channel WHERE page_id = $1 AND bot = $2 RETURNING page_id
