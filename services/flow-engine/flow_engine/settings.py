"""The settings of the flow engine."""

from pydantic import Field

from runtime.settings import ServiceSettings


class FlowEngineSettings(ServiceSettings):
    http_port: int = Field(8085, ge=0, le=65535, description="Port of `/healthz`, `/readyz` and `/metrics`.")
    flow_wait: float = Field(
        5.0,
        ge=0.0,
        le=30.0,
        description="Seconds that a turn waits for a flow version that is not known yet; then it is left to be asked again.",
    )
    flows_in_memory: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Flow versions kept ready to run; others are kept packed and read when needed.",
    )
    stuck_after: float = Field(
        60.0,
        ge=10.0,
        le=3600.0,
        description="Seconds that a partition may have turns waiting without progress; then the process ends and is started again.",
    )
    drill_slow_keyword: str = Field(
        "",
        max_length=100,
        description="For drills: a message that equals this text makes its turn slow, and with it its partition. Empty: none does.",
    )
    drill_slow_seconds: float = Field(
        3.0, ge=0.0, le=25.0, description="For drills: how long the turn takes that `DRILL_SLOW_KEYWORD` makes slow."
    )
