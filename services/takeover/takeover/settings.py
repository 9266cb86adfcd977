"""What can be set for takeover."""

from pydantic import Field

from runtime.settings import ServiceSettings


class TakeoverServiceSettings(ServiceSettings):
    http_port: int = Field(8084, ge=0, le=65535, description="Port of health and metrics.")
    kafka_batch_records: int = Field(
        2000,
        ge=1,
        le=10_000,
        description="Most records of a partition that are decided in one transaction: a conversation is written once in it.",
    )
    timer_batch: int = Field(
        8000,
        ge=1,
        le=10_000,
        description="Most timers of a partition that fire in one transaction, before its events get their turn.",
    )
    timer_poll: float = Field(
        5.0,
        gt=0.0,
        le=60.0,
        description="Seconds after which timers are looked for even where none was expected, and the database's clock is read.",
    )
