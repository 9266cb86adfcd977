"""Facebook's webhooks: signature, meaning, and a lasting record of each event before it is acknowledged."""
