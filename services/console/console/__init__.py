"""Operators' API and live socket, the transcript, bots and flows."""
