"""Facebook's side of a conversation: sends messages, moves thread control, reports what became of it. Decides nothing."""
