"""The settings that every service has. Each can be set by an environment variable, `CONVOBOSS_` and the name in capitals,

or by a file that holds the value and is named by the same variable with `_FILE` behind it.
"""

import ssl
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "CONVOBOSS_"
FILE: Final = "_file"


class _Wrong(Exception):
    """A value that cannot be read from its file."""


class _Environment(EnvSettingsSource):
    """The environment, where `NAME_FILE` names a file whose content is the value of `NAME`."""

    def __call__(self) -> dict[str, Any]:
        """Raises `ValidationError`, so that it is told like every other wrong setting."""
        self._wrong: list[InitErrorDetails] = []
        found = super().__call__()
        if self._wrong:
            raise ValidationError.from_exception_data(self.settings_cls.__name__, self._wrong, hide_input=True)
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        variable = f"{self.env_prefix}{field_name}".lower()
        path = self.env_vars.get(variable + FILE)
        if path is None:
            return value, key, is_complex
        try:
            return _content(path, variable.upper(), value), key, is_complex
        except _Wrong as wrong:
            problem = PydanticCustomError("file", "{reason}", {"reason": str(wrong)})
            self._wrong.append(InitErrorDetails(type=problem, loc=(field_name + FILE,), input=None))
            return None, key, is_complex


def _content(path: str, variable: str, value: object) -> str:
    """The whole file without the line's end that editors and `echo` add."""
    if value is not None:
        raise _Wrong(f"{variable} is set as well; give one of the two")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise _Wrong(f"{path or 'an empty name'} cannot be read: {error.strerror}") from None
    except ValueError:
        raise _Wrong(f"{path} does not hold text in UTF-8") from None


class ServiceSettings(BaseSettings):
    """A service subclasses this in its own `settings.py`, sets its port and adds fields, each with a description."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours stands in its place
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there are no .env files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - files are named one by one
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", min_length=1, description="Brokers to begin with: host:port, several separated by commas."
    )
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to log in to the brokers, where `KAFKA_SECURITY` begins with SASL."
    )
    kafka_username: str = Field("", validate_default=True, description="User at the brokers; empty without SASL.")
    kafka_password: SecretStr = Field(SecretStr(""), validate_default=True, description="Password at the brokers.")
    kafka_ca_file: str = Field(
        "",
        description="File in PEM with the authority that signed the brokers' certificates; empty: the system's authorities.",
    )
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
    dead_letters_in_a_row: int = Field(
        100,
        ge=0,
        le=100_000,
        description="More dead letters of a partition in a row than this stop it: then it is not the records. 0: no limit.",
    )
    dead_letters_percent: int = Field(
        20,
        ge=0,
        le=99,
        description="More than so many percent of the last 1,000 records of a partition as dead letters, at least 50, stop it. 0: no limit.",
    )
    database_url: SecretStr = Field(
        SecretStr("postgresql://convoboss@127.0.0.1:5432/convoboss"),
        description="The PostgreSQL database; with TLS `...?sslmode=verify-full&sslrootcert=FILE`.",
    )
    migrate: Literal["at-start", "by-command"] = Field(
        "at-start",
        description="Who changes the database's schema: the service when it starts, or `./convoboss migrate` alone, which the service then waits for.",
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

    @field_validator("kafka_username", "kafka_password")
    @classmethod
    def _needed_by_sasl(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        security = str(info.data.get("kafka_security", ""))
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if security.startswith("SASL") and not text:
            raise ValueError(f"must be set, because CONVOBOSS_KAFKA_SECURITY is {security}")
        return value

    @field_validator("kafka_ca_file")
    @classmethod
    def _authorities(cls, path: str, info: ValidationInfo) -> str:
        if path and str(info.data.get("kafka_security", "")).endswith("SSL"):
            try:
                ssl.create_default_context(cafile=path)
            except ssl.SSLError:
                raise ValueError(f"{path} holds no certificate in PEM") from None
            except OSError as error:
                raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        return path
