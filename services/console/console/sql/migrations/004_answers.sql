-- How operators' answers go out on a page, until when a customer may be answered, and what can be done about a refusal.
ALTER TABLE messenger_channel
    ADD COLUMN human_agent boolean NOT NULL DEFAULT true,
    ADD COLUMN operator_name text NOT NULL DEFAULT 'off',
    ADD COLUMN operator_picture_url text NOT NULL DEFAULT '';
ALTER TABLE conversation ADD COLUMN acted_at timestamptz;
ALTER TABLE entry
    ADD COLUMN delivery_next_step text NOT NULL DEFAULT '',
    ADD COLUMN delivery_advice text NOT NULL DEFAULT '';
