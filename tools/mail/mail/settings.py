"""Settings, from environment variables with the prefix CONVOBOSS_."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CONVOBOSS_", frozen=True, extra="ignore")

    http_host: str = Field(default="127.0.0.1", description="address of the page; it has no login")
    http_port: int = Field(default=8083, ge=0, le=65535, description="port of the page; 0 takes a free one")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    log_format: Literal["json", "console"] = Field(default="json", description="a JSON object or a text line a record")

    mail_smtp_host: str = Field(default="127.0.0.1", description="address that takes mails")
    mail_smtp_port: int = Field(default=8025, ge=0, le=65535, description="port that takes mails; 0 takes a free one")
    mail_keep: int = Field(default=1000, ge=1, description="mails that are kept; the oldest go first")
