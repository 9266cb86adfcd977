"""Takes the bot's turns: a flow, a session and an input become messages and a session. Keeps nothing between turns."""
