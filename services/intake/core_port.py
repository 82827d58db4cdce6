"""The core's balance port: asked outside any transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Literal, cast
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from services.intake.domain.comparison import LoanStatus, PartField
from shared.web.client import ServiceClient

_REFERENCES_PER_CALL = 200
_PAGE = 1_000


class DueParts(BaseModel):
    """What the items that are past due and not settled are made of, and what was paid towards them; minor units."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    principal_minor: int = Field(ge=0)
    interest_minor: int = Field(ge=0)
    fee_minor: int = Field(ge=0)
    penalty_minor: int = Field(ge=0)
    paid_minor: int = Field(ge=0)


class BoundPerson(BaseModel):
    """Somebody bound by the loan."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    party_ref: str
    role: Literal["borrower", "co_borrower", "guarantor"]


class CoreBalance(BaseModel):
    """What the core says of one loan, as of its business date. The optional fields are compared where it says them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    loan_ref: str
    currency: str
    balance_minor: int = Field(ge=0)
    overdue_minor: int = Field(ge=0)
    oldest_due_date: date | None
    business_date: date
    days_past_due: int | None = Field(None, ge=0)
    status: LoanStatus | None = None
    due_parts: DueParts | None = None
    bound: list[BoundPerson] | None = None

    @property
    def parts(self) -> dict[PartField, int] | None:
        """The parts by the name of the field."""
        return None if self.due_parts is None else cast("dict[PartField, int]", self.due_parts.model_dump())

    @property
    def obligors(self) -> frozenset[tuple[str, str]] | None:
        """Reference and role of everyone bound."""
        return None if self.bound is None else frozenset((one.party_ref, one.role) for one in self.bound)


class _Balances(BaseModel):
    items: list[CoreBalance]
    next: str | None = None


class CorePort:
    """Questions to the core. Raises RemoteUnavailable and RemoteProblem."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def balances(self, loan_refs: Sequence[str]) -> dict[str, CoreBalance]:
        """The named loans, by reference; unknown ones are left out."""
        found: dict[str, CoreBalance] = {}
        for first in range(0, len(loan_refs), _REFERENCES_PER_CALL):
            query = urlencode({"loan_ref": list(loan_refs[first : first + _REFERENCES_PER_CALL])}, doseq=True)
            answer = await self._client.get(f"/v1/balances?{query}", _Balances)
            found |= {balance.loan_ref: balance for balance in answer.items}
        return found

    async def all_balances(self) -> AsyncIterator[CoreBalance]:
        """Every loan the core knows, in order of reference."""
        after: str | None = ""
        while after is not None:
            query = urlencode({"limit": _PAGE} | ({"after": after} if after else {}))
            answer = await self._client.get(f"/v1/balances?{query}", _Balances)
            for balance in answer.items:
                yield balance
            after = answer.next
