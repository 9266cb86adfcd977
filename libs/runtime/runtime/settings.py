"""The settings that every service has. Each can be set by an environment variable: `CONVOBOSS_` and the name in capitals."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CONVOBOSS_"


class ServiceSettings(BaseSettings):
    """A service subclasses this in its own `settings.py`, sets its port and adds fields, each with a description."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", min_length=1, description="Brokers to begin with: host:port, several separated by commas."
    )
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to log in to the brokers, where `KAFKA_SECURITY` begins with SASL."
    )
    kafka_username: str = Field("", description="User at the brokers; empty without SASL.")
    kafka_password: SecretStr = Field(SecretStr(""), description="Password at the brokers.")
    kafka_ca_file: str = Field("", description="File with the brokers' certificate authority; empty: the system's.")
    kafka_session_timeout: float = Field(
        10.0,
        ge=6.0,
        le=300.0,
        description="Seconds without a heartbeat after which a consumer's partitions go to another.",
    )
    kafka_drain_timeout: float = Field(
        5.0,
        gt=0.0,
        le=60.0,
        description="Seconds that all partitions together may take to finish their batches when partitions move or the process stops.",
    )
    kafka_delivery_timeout: float = Field(
        20.0, gt=0.0, le=300.0, description="Seconds until a publication that was not acknowledged counts as failed."
    )
    kafka_batch_records: int = Field(
        500, ge=1, le=10_000, description="Most records of a partition that are decided in one transaction."
    )
    database_url: SecretStr = Field(
        SecretStr("postgresql://convoboss@127.0.0.1:5432/convoboss"), description="The PostgreSQL database."
    )
    database_pool: int = Field(8, ge=2, le=100, description="Most connections that one process holds to PostgreSQL.")
    database_statement_timeout: float = Field(
        10.0, gt=0.0, le=300.0, description="Seconds after which PostgreSQL ends a statement of this process."
    )
    http_host: str = Field("127.0.0.1", description="Address on which the process listens.")
    http_port: int = Field(
        8080, ge=0, le=65535, description="Port of `/healthz`, `/readyz`, `/metrics` and the service's own pages."
    )
    partitions: int = Field(
        8,
        ge=1,
        le=4096,
        description="Partitions of every topic that is keyed by conversation. Fixed when the topics are created.",
    )
    replication: int = Field(1, ge=1, le=9, description="Copies of each partition; from 3 on, two must be in step.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or lines for people.")
    otlp_endpoint: str = Field("", description="Where traces go by OTLP over HTTP; empty: nowhere.")
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="Fernet keys for secrets at rest, separated by commas: the first encrypts, all decrypt.",
    )
