"""Holds every message of the bot against the log as it happens: two voices, answers stopped, how soon the bot is silent."""
