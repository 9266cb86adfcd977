"""Settings, from environment variables with the prefix CONVOBOSS_."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from facebook.model import Id


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CONVOBOSS_", frozen=True, extra="ignore")

    http_host: str = Field(default="127.0.0.1", description="address the box listens on; it has no login")
    http_port: int = Field(default=8082, ge=0, le=65535, description="port the box listens on; 0 takes a free one")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    log_format: Literal["json", "console"] = Field(default="json", description="a JSON object or a text line a record")

    facebook_settings_file: Path | None = Field(
        default=None, description="JSON or YAML file with apps and pages; instead of the demonstration page"
    )
    facebook_webhook_url: str = Field(
        default="http://127.0.0.1:8080/webhooks/messenger",
        pattern=r"^https?://",
        description="where the demonstration app gets its webhooks",
    )
    facebook_app_id: Id = Field(default="640571102938471", description="id of the demonstration app")
    facebook_app_secret: SecretStr = Field(
        default=SecretStr(""), description="secret of the demonstration app: signs webhooks"
    )
    facebook_verify_token: SecretStr = Field(
        default=SecretStr(""), description="verify token of the demonstration app: the handshake"
    )
    facebook_page_id: Id = Field(default="104821769032215", description="id of the demonstration page")
    facebook_page_name: str = Field(default="Lumen Lamps", description="name of the demonstration page")
    facebook_page_token: SecretStr = Field(
        default=SecretStr(""), description="page access token of the demonstration page"
    )

    facebook_webhook_timeout_s: float = Field(default=5, gt=0, description="seconds in which a webhook has to answer")
    facebook_retry_first_s: float = Field(default=0.5, gt=0, description="seconds, bound of the first retry's wait")
    facebook_retry_cap_s: float = Field(default=10, gt=0, description="seconds, bound of every retry's wait")
    facebook_disable_after_s: float = Field(
        default=3600, gt=0, description="seconds of failures after which the app is unsubscribed from the page"
    )
    facebook_record_limit: int = Field(default=100_000, ge=100, description="entries of the record that are kept")
