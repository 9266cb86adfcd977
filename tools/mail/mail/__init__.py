"""Mail catcher: an SMTP server that keeps what it gets for people and tests to read, and delivers nothing."""
