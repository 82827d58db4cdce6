"""Balance checks.

Before a collection visit is granted, intake confirms under its signature that something is overdue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from services.compliance.domain.facts import Balance
from shared.balances import BalanceChecks, ConfirmedBalance


class Balances(Protocol):
    """Where confirmed balances come from."""

    async def confirm(self, parties: Iterable[tuple[UUID, UUID]]) -> Mapping[UUID, Balance]:
        """The confirmed balance of each (party, case); parties without a valid answer are left out.

        Calls the network.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class IntakeBalances:
    """Asks intake; without a valid answer the permit needs the fact."""

    def __init__(self, checks: BalanceChecks) -> None:
        self._checks = checks

    async def confirm(self, parties: Iterable[tuple[UUID, UUID]]) -> Mapping[UUID, Balance]:
        """The confirmed balance of each (party, case); parties without a valid answer are left out.

        Calls the network.
        """
        confirmed = await self._checks.ask(parties)
        return {party_id: _balance(answer) for party_id, answer in confirmed.items()}

    async def close(self) -> None:
        """Close the connections."""
        await self._checks.close()


def _balance(confirmed: ConfirmedBalance) -> Balance:
    signed = confirmed.document
    return Balance(
        as_of=signed.as_of,
        overdue_minor={money.currency: money.amount_minor for money in signed.overdue_totals},
        digest=hashlib.sha256(confirmed.text.encode()).hexdigest(),
    )
