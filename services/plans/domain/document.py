"""The agreement in plain words, its digest, and the code by which the customer signs exactly this text.

Contents follow the minimum of the card rule's art. 70: balance and currency, cycle, dates and amount of each
instalment, interest and fees, rights and liabilities. No name and no address: the plan's id binds it to the party.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Final
from uuid import UUID

from services.plans.domain.affordability import Affordability, Schedule
from services.plans.domain.protected_minimum import ProtectedMinimumTable
from shared.money import Money

_CODE_LENGTH: Final = 8
_KINDS: Final = {
    "instalments": "You repay the whole amount in the monthly instalments below.",
    "token": "You pay the small monthly amounts below. They do not repay everything; we look at it again together.",
    "pause": "You pay nothing for now. We look at your situation again together.",
}


def document_text(
    *,
    plan_id: UUID,
    debt: Money,
    schedule: Schedule,
    affordability: Affordability,
    table: ProtectedMinimumTable,
    day: date,
) -> str:
    """The agreement as plain text; the same facts give the same text."""
    lines = [
        "REPAYMENT AGREEMENT",
        f"Plan {plan_id}, proposed on {day.isoformat()}.",
        "",
        f"Amount owed today: {debt}.",
        _KINDS[schedule.kind],
        f"Your household keeps at least {affordability.protected_minimum} a month"
        f" (table {table.id}, {table.label} figures).",
        "",
        *(f"{each.number:>3}. {each.due_date.isoformat()}  {each.amount}" for each in schedule.instalments),
        f"Sum of the instalments: {schedule.total}.",
        "",
        "No interest and no fee is charged on the instalments while this agreement is kept.",
        "While it is kept the bank and its agents stop all collection.",
        "One missed instalment does not end it: we warn, wait and look at the reason first.",
        f"Next review: {schedule.review_on.isoformat()}. If your situation changes before, tell us.",
        "You may refuse to sign, and you may ask anyone you trust for advice first.",
        "Until the amount is settled the bank opens no new credit card for you.",
    ]
    return "\n".join(lines) + "\n"


def document_digest(document: str) -> str:
    """SHA-256 of the document's UTF-8 text, hexadecimal."""
    return hashlib.sha256(document.encode()).hexdigest()


def signature_code(document: str) -> str:
    """The code printed under the document: it proves that who types it had this very text at hand."""
    return hashlib.sha256(b"doorstep-signature-code\n" + document.encode()).hexdigest()[:_CODE_LENGTH].upper()
