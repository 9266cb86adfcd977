"""The reference pages as text."""
