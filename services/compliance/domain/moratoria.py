"""Moratoria on a debt: they reach everyone who is jointly liable for it.

A hold of this sort on one person is read as a hold on that loan of each other person jointly liable, for as long as it
stands; nothing is copied, so a liability that becomes known later, an end or a correction of the first hold needs no
second record. Source: Doorstep's decision on holds (a moratorium on a debt reaches jointly liable parties); SI
2020/1311 reg. 7 for breathing spaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance.domain.debts import Debt, Liability
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import Hold, HoldKind
from shared.ids import derived_id

MORATORIA: Final[frozenset[HoldKind]] = frozenset({"insolvency", "breathing_space", "mental_health_crisis"})
# Who only stands behind a debt neither protects those who owe it nor is protected with them.
_JOINTLY: Final[frozenset[Liability]] = frozenset({"full", "joint"})


def jointly_liable(debts: Iterable[Debt]) -> dict[UUID, frozenset[UUID]]:
    """Who is jointly liable for each debt, by its id; a debt that binds only one person so is left out."""
    bound: dict[UUID, set[UUID]] = {}
    for debt in debts:
        jointly = {one.party_id for one in debt.obligors if one.liability in _JOINTLY}
        jointly -= {debt.case_party_id} if debt.has_moved else set()
        bound.setdefault(debt.debt_id, set()).update(jointly)
    return {debt_id: frozenset(parties) for debt_id, parties in bound.items() if len(parties) > 1}


def debts_under(hold: Hold, debts: Iterable[Debt]) -> frozenset[UUID]:
    """The debts of its party that the hold puts under a moratorium which others share."""
    if hold.kind not in MORATORIA:
        return frozenset()
    return frozenset(
        debt_id
        for debt_id, parties in jointly_liable(debts).items()
        if hold.party_id in parties and _is_on(hold, debt_id)
    )


def reaching(
    party_id: UUID, debts: Sequence[Debt], holds: Mapping[UUID, Sequence[Hold]],
    known_real: Mapping[tuple[UUID, UUID], datetime],
) -> list[Hold]:  # fmt: skip
    """The moratoria of others that reach the party, each as a hold of its own on the loan.

    `holds`: of those others. `known_real`: since when each (party, debt) is known to be bound, real time.
    """
    found: dict[tuple[UUID, UUID], Hold] = {}
    for debt_id, parties in sorted(jointly_liable(debts).items()):
        if party_id in parties:
            others = _on(debt_id, parties - {party_id}, holds)
            for hold in (one for one in others if one.party_id != party_id):
                # Of a hold under another id of theirs it is the other id that is bound.
                bound = ((party_id, debt_id), (hold.party_id, debt_id))
                known = [known_real[one] for one in bound if one in known_real]
                found[hold.hold_id, debt_id] = replace(
                    hold, party_id=party_id, scope="loan", scope_key=scope_key_of_debt(debt_id),
                    recorded_real=max(hold.recorded_real, *known) if known else hold.recorded_real,
                )  # fmt: skip
    return list(found.values())


def as_reaching(hold: Hold) -> Hold:
    """A moratorium that reaches a person, under an id and a source that name nobody; always the same ones."""
    own = derived_id("reaching-hold", str(hold.hold_id), str(hold.party_id), hold.scope_key)
    return replace(hold, hold_id=own, source_ref=f"shared-debt:{own}", end_asked_by=None)


@dataclass(frozen=True, slots=True)
class Told:
    """What others were told of a moratorium that reaches a person, and until when it holds (None: open)."""

    hold: Hold
    until: datetime | None


def to_tell(told: Iterable[Told], reaching_now: Iterable[Hold], *, now: datetime) -> tuple[list[Hold], list[Hold]]:
    """(placed, ended): what nobody was told yet, and what ends otherwise than was told. Repeated, it tells nothing.

    `reaching_now`: what reaches these people, ended ones included, under the ids that are told.
    """
    present = {hold.hold_id: hold for hold in reaching_now}
    known = {one.hold.hold_id: one for one in told}
    heard = {hold_id for hold_id, one in known.items() if one.until is None or one.until > now}
    placed = [
        hold for hold in present.values() if hold.hold_id not in heard and (hold.until is None or hold.until > now)
    ]
    ended = []
    for hold_id, one in known.items():
        hold = present.get(hold_id)
        if hold is None and (one.until is None or one.until > now):
            ended.append(replace(one.hold, ended_at=now))
        elif hold is not None and hold_id in heard and hold.until is not None and hold.until != one.until:
            ended.append(hold)
    return placed, ended


def _on(debt_id: UUID, parties: Iterable[UUID], holds: Mapping[UUID, Sequence[Hold]]) -> Iterator[Hold]:
    for other in sorted(parties):
        yield from (one for one in holds.get(other, ()) if one.kind in MORATORIA and _is_on(one, debt_id))


def _is_on(hold: Hold, debt_id: UUID) -> bool:
    """Whether it is on the debt, and not only on one channel or contact point of its party."""
    if hold.scope == "loan":
        return hold.scope_key == scope_key_of_debt(debt_id)
    return hold.scope in ("party", "collection")
