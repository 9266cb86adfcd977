WITH kept AS (
    INSERT INTO bot_settings (bot, version, document) VALUES ($2, $3, $4::json) ON CONFLICT DO NOTHING
)
INSERT INTO settings_in_force (partition, bot, version, from_offset) VALUES ($1, $2, $3, $5) ON CONFLICT DO NOTHING
