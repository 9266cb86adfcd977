-- $1 page
SELECT human_agent FROM messenger_channel WHERE page_id = $1
