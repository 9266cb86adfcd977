"""The fault suite: real processes under load, broken in every way that is known, and an independent count of what went wrong."""
