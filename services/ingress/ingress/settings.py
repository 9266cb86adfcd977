"""Settings of ingress, beside those that every service has."""

from pydantic import Field

from runtime.settings import ServiceSettings


class IngressSettings(ServiceSettings):
    http_port: int = Field(
        8080, ge=0, le=65535, description="Port of `/webhooks/messenger` and the service's own pages."
    )
    webhook_budget: float = Field(
        4.5,
        gt=0.0,
        le=5.0,
        description="Seconds from a webhook's arrival to its answer, whatever happens: Facebook waits for 5.",
    )
    webhook_requests: int = Field(
        500, ge=1, le=100_000, description="Most webhooks under way at once; one more is answered 503."
    )
    webhook_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="Most bytes of bodies under way at once; more are answered 503.",
    )
    graph_url: str = Field(
        "https://graph.facebook.com/v26.0",
        pattern=r"^https?://[^\s?#]+$",
        description="The Graph API with its version; Facebook in a box locally.",
    )
    graph_timeout: float = Field(10.0, gt=0.0, le=60.0, description="Seconds that Facebook may take for one request.")
    watch_every: float = Field(
        300.0,
        ge=0.0,
        le=3600.0,
        description="Seconds between two looks at a page: webhooks, token, routing. 0: nobody looks, and nothing is caught up.",
    )
    missed_after: float = Field(
        120.0,
        gt=0.0,
        le=3600.0,
        description="Seconds in which no webhook could be taken, or nobody looked, from which on pages are caught up.",
    )
    catch_up_after: float = Field(
        60.0,
        ge=0.0,
        le=600.0,
        description="Seconds that catching up waits for webhooks which Facebook delivers again by itself.",
    )
    spool_directory: str = Field(
        "",
        description="Folder in which webhooks wait on disk while the broker does not acknowledge: one for each process, on a"
        " volume that outlives it. Empty: no spool, such webhooks are answered 503.",
    )
    spool_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        description="Most bytes that wait in the spool; with more, webhooks are answered 503. The disk needs a tenth more.",
    )
