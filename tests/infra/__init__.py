"""The infrastructure of the tests: one real broker and one real PostgreSQL per pytest session."""
