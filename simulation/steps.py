"""What the simulated bank did with its late customers before the cut-over: reminded, called, wrote, offered help."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from simulation.core.ledger import CORE, Ledger, Loan

# Days after the oldest unpaid item fell due; assumptions, as are the shares of those who were forgotten.
_CUSTOM: Final = (("remind", 6), ("call", 11), ("letter", 17), ("offer_help", 25))
_FORGOTTEN_SHARE: Final = 0.03
_AT_ONCE: Final = 1_000
_HOUR: Final = time(4)


def earlier_steps(ledger: Ledger, *, seed: int) -> Iterator[list[dict[str, Any]]]:
    """The history as `POST /v1/steps` takes it, all of one person together. By seed a few steps were never taken."""
    draw = random.Random(f"steps:{seed}")
    items: list[dict[str, Any]] = []
    for loan in ledger.late_loans():
        taken = list(_taken(loan, ledger, draw))
        if len(items) + len(taken) > _AT_ONCE:
            yield items
            items = []
        items += taken
    if items:
        yield items


def _taken(loan: Loan, ledger: Ledger, draw: random.Random) -> Sequence[dict[str, Any]]:
    due = loan.oldest_due_date
    if due is None:
        return []
    return [
        {
            "core": CORE, "party_ref": loan.person.party_ref, "step": step, "vouched": "attested",
            "done_at": datetime.combine(due + timedelta(days=days), _HOUR, UTC).isoformat(),
            "reference": f"{step}-{loan.person.loan_ref}",
        }
        for step, days in _CUSTOM
        if due + timedelta(days=days) < ledger.business_date and draw.random() >= _FORGOTTEN_SHARE
    ]  # fmt: skip
