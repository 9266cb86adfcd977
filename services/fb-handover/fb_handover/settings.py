"""Settings of this service, by environment variables with the prefix CONVOBOSS_."""

from pydantic import Field

from fb_handover.order import Rules
from fb_handover.pages import Budget
from fb_handover.sender import Limits
from runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    http_port: int = Field(8086, ge=0, le=65535, description="Port of `/healthz`, `/readyz` and `/metrics`.")
    graph_url: str = Field(
        "https://graph.facebook.com/v26.0",
        pattern=r"^https?://[^\s?#]+$",
        description="The Graph API with its version; Facebook in a box locally.",
    )
    graph_timeout: float = Field(10.0, gt=0.0, le=60.0, description="Seconds that Facebook may take for one request.")
    graph_read_timeout: float = Field(
        2.0, gt=0.0, le=30.0, description="Seconds that Facebook may take to tell a thread's owner or a profile."
    )
    sends_at_once: int = Field(
        64, ge=1, le=1024, description="Most requests to Facebook at the same time, each for another conversation."
    )
    echo_wait: float = Field(
        30.0, gt=0.0, le=600.0, description="Seconds that a message of unknown outcome waits for its echo."
    )
    retry_first: float = Field(1.0, gt=0.0, le=60.0, description="Seconds, bound of the first retry's wait.")
    retry_cap: float = Field(60.0, gt=0.0, le=3600.0, description="Seconds, bound of every retry's wait.")
    give_up_after: float = Field(
        24 * 3600.0,
        gt=0.0,
        le=7 * 24 * 3600.0,
        description="Seconds after which a command that Facebook keeps putting off is reported as refused.",
    )
    page_rate: float = Field(
        240.0,
        ge=1.0,
        le=300.0,
        description="Requests to Facebook a second for each page, by all processes together; Facebook takes 300.",
    )
    page_media_rate: float = Field(
        8.0,
        ge=0.5,
        le=10.0,
        description="Messages with sound or video a second for each page, by all processes together; Facebook takes 10.",
    )
    page_pause: float = Field(
        60.0,
        gt=0.0,
        le=3600.0,
        description="Seconds that a page is paused which reached a limit of Facebook's, where Facebook names no time.",
    )
    keep_closed: float = Field(
        7 * 24 * 3600.0, ge=3600.0, le=90 * 24 * 3600.0, description="Seconds that closed commands are kept."
    )

    @property
    def limits(self) -> Limits:
        return Limits(self.sends_at_once, self.graph_timeout, self.graph_read_timeout)

    @property
    def budget(self) -> Budget:
        return Budget(
            text=self.page_rate,
            media=self.page_media_rate,
            waiting=max(1, self.sends_at_once // 4),
            pause=self.page_pause,
        )

    @property
    def rules(self) -> Rules:
        return Rules(
            echo_wait=self.echo_wait,
            give_up_after=self.give_up_after,
            first_delay=self.retry_first,
            longest_delay=self.retry_cap,
        )
