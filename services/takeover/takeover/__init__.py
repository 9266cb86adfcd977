"""The switch: keeps who has each conversation, and decides for every event, in order, what may be said."""
