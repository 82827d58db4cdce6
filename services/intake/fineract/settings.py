"""What intake is told of a core of the kind Apache Fineract (prefix `DOORSTEP_INTAKE_FINERACT_`). Off by default."""

from __future__ import annotations

import ssl
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.intake.fineract.facts import ContactSource, ProductClass, Tenancy


class FineractSettings(BaseSettings):
    """One tenant's core: its topic, its REST API, and what neither of them says."""

    model_config = SettingsConfigDict(env_prefix="DOORSTEP_INTAKE_FINERACT_", extra="ignore", frozen=True)

    bootstrap: str = Field("", description="host:port[,host:port] of the core's brokers; empty: the adapter is off.")
    topic: str = Field("external-events", description="Topic of the core's external events.")
    group: str = Field("doorstep-intake", description="Consumer group that the core's brokers allow us.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "SASL_SSL", description="How its brokers are spoken to; in production only encrypted."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("SCRAM-SHA-512")
    username: str = Field("", description="SASL name at its brokers.")
    password: SecretStr = Field(SecretStr(""), description="SASL password.")
    authorities_file: Path | None = Field(None, description="Certificates that its brokers' are signed by (PEM).")
    schema_folder: Path | None = Field(
        None, description="Further writer schemas, self-contained `*.avsc` files of the core's own release."
    )

    core: str = Field("fineract", pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="Our name of the core: `source`.")
    tenant: str = Field("default", min_length=1, max_length=64, description="The core's own name of the tenant.")
    time_zone: str = Field("UTC", description="IANA zone of times that name none.")

    api_url: str = Field("", description="Base address of its REST API, up to and including `/api/v1`.")
    api_username: str = Field("", description="User of the REST API, with the right to read loans and clients.")
    api_password: SecretStr = Field(SecretStr(""), description="Password of that user.")
    api_timeout_seconds: float = Field(10.0, gt=0, le=60, description="Longest wait for one answer.")
    api_concurrency: int = Field(16, ge=1, le=256, description="Questions under way at once, per process.")
    api_cache_loans: int = Field(10_000, ge=0, le=1_000_000, description="Answers kept, of loans and of people each.")
    api_person_seconds: float = Field(
        600.0, ge=0, le=86_400, description="How old a person's data may be; the core tells of no change to them."
    )

    creditor: str = Field("", max_length=200, description="Who owns the debts.")
    servicer: str = Field("", max_length=200, description="Who services them; empty: the creditor.")
    jurisdiction: str = Field("", pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$", description="ISO 3166 place.")
    products: dict[str, ProductClass] = Field(
        default_factory=dict, description="Product class by the core's product id; an absent one is refused."
    )
    language: str = Field("und", pattern=r"^[a-z]{2,3}$", description="ISO 639; the core does not know it.")
    person_time_zones: tuple[str, ...] = Field((), max_length=4, description="Candidate zones; empty: `time_zone`.")
    contact_source: ContactSource = Field("on_file", description="Lawful source of the core's contact points.")
    people_every_seconds: float = Field(
        3_600.0,
        ge=0,
        le=86_400,
        description="How often the clients of open cases are asked for, because the core tells of no death; 0: never.",
    )
    group_liability: Literal["unknown", "joint"] = Field(
        "unknown",
        description="Whether all members of a group are bound by its loans, by the bank's agreement with them. "
        "Unknown: nobody is contacted about such a loan.",
    )
    deceased_sub_statuses: frozenset[int] = Field(
        frozenset(), description="Ids of the bank's client sub-statuses (code ClientSubStatus) that mean a death."
    )
    history_known_from: date | None = Field(
        None, description="From when on past contacts are attested complete; none: nobody may be contacted."
    )

    @property
    def is_on(self) -> bool:
        """Whether there is such a core."""
        return bool(self.bootstrap)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    @field_validator("person_time_zones")
    @classmethod
    def _known_zones(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            ZoneInfo(name)
        return names

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.is_on:
            missing = [name for name in ("api_url", "creditor", "jurisdiction", "products") if not getattr(self, name)]
            if missing:
                raise ValueError(f"the adapter is on, but these are not set: {', '.join(missing)}")
        return self

    def client_options(self, *, production: bool) -> dict[str, Any]:
        """aiokafka's keyword arguments. Raises ValueError for a connection in clear in production."""
        encrypted = self.security_protocol.endswith("SSL") and self.api_url.startswith("https://")
        if production and not encrypted:
            raise ValueError("in production the core's brokers and its API are spoken to over TLS only")
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = ssl.create_default_context(cafile=self.authorities_file)
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        return options

    def tenancy(self, tenant: str) -> Tenancy:
        """What the core does not say; `tenant` is ours."""
        return Tenancy(
            tenant=tenant,
            core=self.core,
            creditor=self.creditor,
            servicer=self.servicer or self.creditor,
            jurisdiction=self.jurisdiction,
            products=self.products,
            language=self.language,
            time_zones=self.person_time_zones or (self.time_zone,),
            contact_source=self.contact_source,
            history_known_from=self.history_known_from,
            deceased_sub_statuses=self.deceased_sub_statuses,
            group_liability=self.group_liability,
        )
