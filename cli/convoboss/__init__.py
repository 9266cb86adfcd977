"""The ops command line. It reads; it changes no conversation past the log."""
