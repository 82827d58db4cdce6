"""The desk of subject access in assignment: everything kept about one person in plain words, and none of our staff."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from services.assignment.domain.candidacy import refusal
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.store import access as store
from services.assignment.store.candidacies import load_candidacies
from shared.access.lists import AccessList, list_of
from shared.access.texts import Texts, access_texts
from shared.database import UnitOfWork
from shared.money import Money
from shared.security.callers import Caller

Row = dict[str, Any]
LISTS: Final = ("candidacy", "blocks", "visits", "not_planned", "areas")
"""Names of the lists, in the order in which they are given."""


def assignment_texts() -> Texts:
    """The sentences of assignment."""
    return access_texts("services.assignment")


async def give_lists(policy: SelectionPolicy, uow: UnitOfWork, party_id: UUID, _: Caller) -> list[AccessList]:
    """Every list of the person, who is locked. Why no visit may be planned today is asked of the rule that decides."""
    found = await store.load_lists(uow, party_id)
    if found["candidacy"]:
        candidacy = (await load_candidacies(uow, [party_id]))[party_id]
        why_not = refusal(candidacy, uow.now.date(), policy=policy, now=uow.now)
        found["candidacy"] = [_candidacy(row, why_not, policy) for row in found["candidacy"]]
    texts = assignment_texts()
    return [list_of(name, found[name], texts) for name in LISTS]


def _candidacy(row: Row, why_not: str | None, policy: SelectionPolicy) -> Row:
    amounts = zip(row["overdue_minor"] or [], row["overdue_currency"] or [], strict=True)
    shown = {name: value for name, value in row.items() if name not in ("overdue_minor", "overdue_currency")}
    return shown | {
        "overdue": [str(Money(amount_minor=minor, currency=currency)) for minor, currency in amounts],
        "may_be_asked": why_not is None, "why_not": why_not, "policy": policy.id,
    }  # fmt: skip
