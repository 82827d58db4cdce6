"""Ids and numbers that callers send."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, Field

from shared.ids import of_driver, shard_of

_LARGEST: Final = 2**63 - 1


def _with_shard(value: UUID) -> UUID:
    shard_of(value)
    return of_driver(value)


def _countable(number: int) -> int:
    if number > _LARGEST:
        raise ValueError("is greater than any number that is counted")
    return number


FeedNumber = Annotated[int, AfterValidator(_countable)]
PartyId = Annotated[UUID, AfterValidator(_with_shard), Field(description="The party (UUIDv8 with its shard).")]
