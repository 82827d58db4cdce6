"""Settings of one service process, read from the environment (prefix `DOORSTEP_`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.clock import Clock, SteppedClock, SystemClock


class ServiceSettings(BaseSettings):
    """All that a service process needs to know about its surroundings. Secrets come from the environment only."""

    model_config = SettingsConfigDict(env_prefix="DOORSTEP_", extra="ignore", frozen=True)

    environment: Literal["development", "production"] = Field(
        "production", description="Development tools are refused in production."
    )
    tenant: str = Field("bank", pattern=r"^[a-z0-9-]{1,32}$", description="Default tenant.")
    prefix: str = Field(
        "", pattern=r"^[a-z0-9_]{0,24}$", description="Prepended to topics, groups and database names of this run."
    )
    database_url: SecretStr = Field(
        description="postgresql://role:password@host:port/database of this service's own role."
    )
    kafka_bootstrap: str = Field(description="host:port[,host:port] of the brokers.")
    kafka_username: str = Field(
        "", description="SASL principal of this service; empty means no SASL (development only)."
    )
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    kafka_authorities_file: Path | None = Field(
        None, description="Authorities that sign the brokers' certificates (PEM); the system's when left out."
    )
    http_host: str = Field("127.0.0.1", description="Address the API listens on.")
    http_port: int = Field(8000, ge=0, le=65535, description="Port the API listens on.")
    intake_url: str = Field("http://127.0.0.1:8101", description="Base address of intake.")
    assignment_url: str = Field("http://127.0.0.1:8102", description="Base address of assignment.")
    visits_url: str = Field("http://127.0.0.1:8103", description="Base address of visits.")
    plans_url: str = Field("http://127.0.0.1:8104", description="Base address of plans.")
    compliance_url: str = Field("http://127.0.0.1:8105", description="Base address of compliance.")
    core_url: str = Field(
        "", description="Base address of the bank core's balance port; empty: no core query possible."
    )
    oidc_issuer: str = Field("http://127.0.0.1:8100", description="Issuer of access tokens.")
    oidc_audience: str = Field("doorstep", description="Audience that access tokens must carry.")
    oidc_client_id: str = Field("", description="This service's client id at the issuer.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="This service's client secret.")
    clock_file: Path | None = Field(None, description="Stepped business clock (development only).")
    key_folder: Path = Field(Path("keys"), description="Folder of the development keys (0600).")
    pack_folder: Path | None = Field(
        None, description="Folder of the bank's rule packs and their approvals; the shipped packs when left out."
    )
    otlp_endpoint: str = Field("", description="OTLP/HTTP endpoint; empty: no export.")
    heartbeat_seconds: float = Field(5.0, gt=0, le=60, description="Heartbeat period of this service.")
    freshness_limit_seconds: float = Field(
        120.0, gt=0, le=900, description="F: how old the facts behind a check-in may be."
    )
    log_folder: Path | None = Field(
        None, description="Where compliance keeps its log's checkpoints, outside the database; empty: the key folder."
    )
    log_generation: int = Field(
        1, ge=1, description="Number of the log's origin; one more opens a new origin after a restore that lost leaves."
    )
    log_witnesses: tuple[str, ...] = Field(
        (), description='Witnesses of the log, a JSON list of "VKEY URL" (C2SP tlog-witness).'
    )
    log_witnesses_required: int = Field(
        0, ge=0, description="How many witnesses must have cosigned a checkpoint before it closes an export."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the code names, then the environment; no file is looked for."""
        return init_settings, env_settings

    @model_validator(mode="after")
    def _no_development_tools_in_production(self) -> Self:
        if self.environment == "production" and self.clock_file is not None:
            raise ValueError("a stepped clock is refused in production")
        if self.environment == "production" and not self.kafka_username:
            raise ValueError("production needs a Kafka principal")
        return self

    def clock(self) -> Clock:
        """The process's clock: stepped when a clock file is set (development), else the system's."""
        return SteppedClock(self.clock_file) if self.clock_file is not None else SystemClock()
