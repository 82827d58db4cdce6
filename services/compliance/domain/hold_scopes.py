"""What a hold's scope includes: all contact with the party, or that about one loan, or through one contact point.

What a contact is about, or goes through, can be unknown; then the hold covers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.compliance.domain.budget_keys import written
from services.compliance.domain.holds import COLLECTING, Hold, PointKind
from services.compliance.domain.rule_records import Key
from shared.events.contact import Channel, Purpose

CHANNELS_OF_POINT: Final[Mapping[PointKind, frozenset[Channel]]] = {
    "phone": frozenset({"call", "sms"}),
    "email": frozenset({"email"}),
    "postal": frozenset({"letter"}),
    "address": frozenset({"visit"}),
}
_KEY_OF_POINT: Final[Mapping[PointKind, Key]] = {
    "phone": "contact_point", "email": "contact_point", "postal": "contact_point", "address": "address",
}  # fmt: skip


def scope_key_of_debt(debt_id: UUID) -> str:
    """The `scope_key` of a hold on one loan: its debt, by which everyone bound by it knows it."""
    return str(debt_id)


def scope_key_of_point(kind: PointKind, commitment: str) -> str:
    """The `scope_key` of a hold on one contact point."""
    return f"{kind}:{commitment}"


def covers(
    hold: Hold, channel: Channel, purpose: Purpose, *, debts: frozenset[UUID] | None,
    keys: Mapping[Key, frozenset[str]],
) -> bool:  # fmt: skip
    """Whether the hold's scope includes such a contact.

    `debts`: those it is about, None: all of the party's. `keys`: through which contact point and at which address, a
    kind left out is not known.
    """
    match hold.scope:
        case "visit_channel":
            return channel == "visit"
        case "collection":
            return purpose in COLLECTING
        case "loan":
            return debts is None or hold.scope_key in {scope_key_of_debt(one) for one in debts}
        case "contact_point":
            return _goes_through(hold.scope_key, channel, keys)
    return True


def may_cover(hold: Hold, channel: Channel, purpose: Purpose) -> bool:
    """Whether it includes some contact of that channel and purpose, whatever it is about and goes through."""
    return covers(hold, channel, purpose, debts=None, keys={})


def debts_asked(named: frozenset[UUID] | None, known: frozenset[UUID]) -> frozenset[UUID] | None:
    """The debts that a contact is about, where all that were named are known to be the person's; None: all of them.

    Who names a debt that is not the person's narrows nothing.
    """
    return named if named and named <= known else None


def _goes_through(scope_key: str, channel: Channel, keys: Mapping[Key, frozenset[str]]) -> bool:
    kind, _, commitment = scope_key.partition(":")
    for known, channels in CHANNELS_OF_POINT.items():
        if known == kind:
            used = written(keys.get(_KEY_OF_POINT[known]))
            return channel in channels and (used is None or commitment in used)
    return True
