"""What can be set for takeover."""

from pydantic import Field

from runtime.settings import ServiceSettings


class TakeoverServiceSettings(ServiceSettings):
    http_port: int = Field(8084, ge=0, le=65535, description="Port of health and metrics.")
    timer_batch: int = Field(
        500,
        ge=1,
        le=10_000,
        description="Most timers of a partition that fire in one go, before others get their turn.",
    )
    timer_poll: float = Field(
        1.0, gt=0.0, le=60.0, description="Seconds after which due timers are looked for even where none was expected."
    )
