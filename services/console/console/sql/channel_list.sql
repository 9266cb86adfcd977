SELECT * FROM messenger_channel WHERE bot = ANY ($1::text[]) ORDER BY page_id
