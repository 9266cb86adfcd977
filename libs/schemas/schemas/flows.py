"""The flow document."""

from schemas.base import Document


class Flow(Document):
    """Placeholder until the blocks are written."""
