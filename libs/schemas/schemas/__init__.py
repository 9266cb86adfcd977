"""Every event, command and document that crosses a process. No I/O in here."""
