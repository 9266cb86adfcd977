INSERT INTO operator_bot (operator, bot) SELECT $1, bot.id FROM bot WHERE id = ANY ($2::text[]) RETURNING bot
