"""The core's balance port: asked outside any transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from shared.web.client import ServiceClient

_REFERENCES_PER_CALL = 200
_PAGE = 1_000


class CoreBalance(BaseModel):
    """What the core says of one loan, as of its business date."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    loan_ref: str
    currency: str
    balance_minor: int = Field(ge=0)
    overdue_minor: int = Field(ge=0)
    oldest_due_date: date | None
    business_date: date


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
