"""Facebook's Graph API: its one client, and what its answers mean."""
