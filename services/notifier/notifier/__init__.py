"""E-mails to operators: one per episode and address, none for an episode that somebody has taken up or that is over."""
