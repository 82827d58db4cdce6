"""Whether a record of the core could be processed by anybody: the oracle's own reading of the contract."""

from __future__ import annotations

from typing import Any, Final

from simulation.oracle.record import Record

_HEADERS: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_tenant", "ce_sequence")
_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "loan.overdue": ("tenant", "core", "loan_ref", "party_ref", "business_date", "currency", "balance", "due_items"),
    "loan.payment_received": ("tenant", "core", "loan_ref", "party_ref", "transaction_ref", "amount", "currency"),
    "loan.payment_reversed": ("tenant", "core", "loan_ref", "party_ref", "transaction_ref", "amount", "currency"),
    "party.updated": ("tenant", "core", "party_ref", "name", "contact_points"),
}
_AMOUNTS: Final = ("balance", "amount", "principal", "paid")


def is_sound(record: Record) -> bool:
    """Headers complete, version 1, members present, key fits, no negative amount."""
    if any(not record.headers.get(name) for name in _HEADERS):
        return False
    if record.headers.get("ce_dataschema", f"{record.type}.v1") != f"{record.type}.v1":
        return False
    data = record.data
    if not data or any(name not in data for name in _MEMBERS.get(record.type, ())):
        return False
    named = "party_ref" in data  # the close of a business day is about no party
    if named and record.key != f"{data.get('tenant')}|{data.get('core')}|{data['party_ref']}":
        return False
    return not any(_negative(part) for part in (data, *data.get("due_items", [])))


def _negative(part: dict[str, Any]) -> bool:
    return any(isinstance(part.get(name), int) and part[name] < 0 for name in _AMOUNTS)
