INSERT INTO outbox (slot, body) VALUES ($1, $2) RETURNING id
