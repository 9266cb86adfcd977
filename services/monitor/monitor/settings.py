"""Settings of the monitor, beside those that every service has."""

from pydantic import Field

from runtime.settings import ServiceSettings


class MonitorSettings(ServiceSettings):
    http_port: int = Field(8088, ge=0, le=65535, description="Port of the service's own pages.")
