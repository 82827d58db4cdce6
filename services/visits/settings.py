"""Settings of visits."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class VisitSettings(ServiceSettings):
    """What every service needs, and what customers read about us."""

    bank_name: str = Field("Example Bank", min_length=1, max_length=60, description="The bank as customers know it.")
    link_base_url: str = Field(
        "https://visits.example/v/", max_length=60, description="Address of the customer's page; the token follows."
    )
