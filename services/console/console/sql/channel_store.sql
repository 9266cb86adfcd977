-- Nothing is returned when the page is another bot's.
INSERT INTO messenger_channel AS c (
    page_id, bot, page_name, app_id, app_secret, verify_token, page_token,
    messenger_inbox_notification, page_inbox_app, has_default_app, bot_apps, automatic_replies,
    human_agent, operator_name, operator_picture_url
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (page_id) DO UPDATE SET
    page_name = excluded.page_name, app_id = excluded.app_id, app_secret = excluded.app_secret,
    verify_token = excluded.verify_token, page_token = excluded.page_token,
    messenger_inbox_notification = excluded.messenger_inbox_notification,
    page_inbox_app = excluded.page_inbox_app, has_default_app = excluded.has_default_app,
    bot_apps = excluded.bot_apps, automatic_replies = excluded.automatic_replies,
    human_agent = excluded.human_agent, operator_name = excluded.operator_name,
    operator_picture_url = excluded.operator_picture_url
WHERE c.bot = excluded.bot
RETURNING page_id
