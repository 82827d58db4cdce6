"""The desk of subject access in plans: everything kept about one person in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from services.plans.store import access as store
from services.plans.store.plans import DOCUMENT, STATEMENT
from shared.access.lists import AccessList, list_of
from shared.access.texts import Texts, access_texts
from shared.database import UnitOfWork
from shared.money import Money
from shared.security.callers import Caller
from shared.security.party_keys import PartyCipher, Sealed

Row = dict[str, Any]
LISTS: Final = (
    "cases", "household", "plans", "documents", "instalments", "payments", "follow_ups", "holds", "refusals",
    "identities",
)  # fmt: skip
"""Names of the lists, in the order in which they are given."""
_SHOWN: Final = (
    "plan_id", "kind", "state", "proposed_at", "signed_at", "agreed_at", "basis", "completed_at", "review_on",
    "table_id",
)  # fmt: skip


def plans_texts() -> Texts:
    """The sentences of plans."""
    return access_texts("services.plans")


async def give_lists(cipher: PartyCipher, uow: UnitOfWork, party_id: UUID, _: Caller) -> list[AccessList]:
    """Every list of the person, who is locked."""
    found = await store.load_lists(uow, party_id)
    plans = found["plans"]
    statements = await _opened(cipher, uow, party_id, plans, STATEMENT)
    documents = await _opened(cipher, uow, party_id, plans, DOCUMENT)
    told = found | {
        "cases": [_case(row) for row in found["cases"]],
        "household": [one for row, text in zip(plans, statements, strict=True) for one in _household(row, text)],
        "plans": [_plan(row) for row in plans],
        "documents": [
            {
                "plan_id": row["plan_id"], "sha256": row["document_sha256"], "reference": row["document_ref"],
                "text": text,
            }
            for row, text in zip(plans, documents, strict=True)
        ],
        "instalments": [one for row in plans for one in _instalments(row)],
        "payments": [_payment(row) for row in found["payments"]],
    }  # fmt: skip
    texts = plans_texts()
    return [list_of(name, told[name], texts) for name in LISTS]


async def _opened(
    cipher: PartyCipher, uow: UnitOfWork, party_id: UUID, plans: Sequence[Row], field: str
) -> list[str | None]:
    """What is sealed in that field of each plan; None where the plan has none, or it cannot be read any more."""
    column = field.removeprefix("plan.")
    sealed = [(place, row[column]) for place, row in enumerate(plans) if row[column] is not None]
    texts = await cipher.open_many(uow, [Sealed(party_id, field, bytes(value)) for _, value in sealed])
    opened = {place: text for (place, _), text in zip(sealed, texts, strict=True)}
    return [opened.get(place) for place in range(len(plans))]


def _household(plan: Row, statement: str | None) -> Iterator[Row]:
    """What the household told for a plan, one entry each."""
    if statement is None:
        return
    for name, value in json.loads(statement).items():
        if name == "surplus_minor":
            text = str(Money(amount_minor=value, currency=plan["currency"]))
        elif isinstance(value, dict) and value.keys() == {"amount_minor", "currency"}:
            text = str(Money(**value))
        elif isinstance(value, dict):
            text = ", ".join(f"{part} {number}" for part, number in value.items())
        else:
            text = str(value)
        yield {"plan_id": plan["plan_id"], "name": name, "value": text}


def _plan(row: Row) -> Row:
    currency = row["currency"]
    names = ("total", "debt", "paid")
    amounts = {name: str(Money(amount_minor=row[f"{name}_minor"], currency=currency)) for name in names}
    made_elsewhere = row["cutover_id"] is not None
    return {name: row[name] for name in _SHOWN} | amounts | {"made_elsewhere": made_elsewhere}


def _instalments(row: Row) -> Iterator[Row]:
    for number, (day, minor) in enumerate(zip(row["instalment_due"], row["instalment_minor"], strict=True), start=1):
        amount = str(Money(amount_minor=minor, currency=row["currency"]))
        yield {"plan_id": row["plan_id"], "number": number, "due_date": day, "amount": amount}


def _payment(row: Row) -> Row:
    amount = str(Money(amount_minor=row["amount_minor"], currency=row["currency"]))
    return {name: row[name] for name in ("plan_id", "transaction_ref", "loan_id", "reversed", "recorded_at")} | {
        "amount": amount
    }


def _case(row: Row) -> Row:
    balances = [
        str(Money(amount_minor=minor, currency=currency))
        for minor, currency in zip(row["balance_minor"], row["balance_currency"], strict=True)
    ]
    shown = ("case_id", "is_open", "jurisdiction", "time_zones", "suspended", "core")
    return {name: row[name] for name in shown} | {"balances": balances}
