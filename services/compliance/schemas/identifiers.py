"""Ids that callers send."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from shared.ids import of_driver, shard_of


def _with_shard(value: UUID) -> UUID:
    shard_of(value)
    return of_driver(value)


PartyId = Annotated[UUID, AfterValidator(_with_shard), Field(description="The party (UUIDv8 with its shard).")]
