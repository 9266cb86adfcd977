"""How fast something took in a log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    events: int
    seconds: float
    cpu: float
    memory: float = 0.0
    """MiB at its most, PSS."""

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def __str__(self) -> str:
        memory = f", {self.memory:.0f} MiB" if self.memory else ""
        return f"{self.rate:,.0f}/s, {self.cpu / self.events * 1e6:.1f} µs of a core each{memory}"
