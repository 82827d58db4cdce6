"""Which loan stands behind a case: asked of intake's API, remembered for the run."""

from __future__ import annotations

from simulation.api import Api
from simulation.core.ledger import Ledger, Loan


class Directory:
    """From our cases to the core's books. (A person knows who they are; the services only know ids.)"""

    def __init__(self, api: Api, ledger: Ledger) -> None:
        self._api = api
        self._ledger = ledger
        self._references: dict[str, str] = {}

    async def loan_of(self, case_id: str) -> Loan:
        """The (first) loan of a case. Raises UnexpectedAnswer, KeyError for a loan that the core does not know."""
        if case_id not in self._references:
            case = (await self._api.get("intake", f"/v1/cases/{case_id}")).expected()
            self._references[case_id] = case["loans"][0]["loan_ref"]
        return self._ledger.loans[self._references[case_id]]
