"""Ids in Facebook's shapes, from an injected source of randomness."""

import base64
import random
from dataclasses import dataclass, field


@dataclass
class Ids:
    rng: random.Random = field(default_factory=random.SystemRandom)

    def message(self) -> str:
        """A mid. 64 random characters: unique for as long as the box runs."""
        return "m_" + base64.urlsafe_b64encode(self.rng.randbytes(48)).decode()

    def trace(self) -> str:
        """An fbtrace_id."""
        return "A" + base64.urlsafe_b64encode(self.rng.randbytes(15)).decode()

    def challenge(self) -> str:
        return str(self.rng.randrange(10**8, 10**10))

    def persona(self) -> str:
        return str(self.rng.randrange(10**14, 10**15))
