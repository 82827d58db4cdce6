"""May this crew ring this bell now? Every test is made, and every reason is told with its rule and, where one
exists, its source.

Only beginning a visit fails closed: whatever cannot be shown to hold here refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from services.visits.domain.appointment import event
from services.visits.domain.door import Arrival
from services.visits.domain.permit import (
    JsonWebKey,
    NotGenuineError,
    PermitClaims,
    RevocationList,
    read_permit,
    read_revocation_list,
)
from services.visits.domain.place import metres_from_home
from services.visits.domain.visit import READY, State, Visit
from shared.balances import SignedBalance
from shared.events import NewEvent
from shared.events.visit import VisitCheckInRefused
from shared.geo import Point

CREW_MINIMUM: Final = 2
DISTANCE_LIMIT_M: Final = 300
# Online, our own copy of compliance's facts decides (architecture, section 6).
WATERMARK_LIMIT: Final = timedelta(seconds=60)


class Reason(StrEnum):
    """Why a check-in is refused, the weightiest first: the first that applies names the problem."""

    NOT_OF_CREW = "not_of_crew"
    NO_PERMIT = "no_permit"
    PERMIT_FORGED = "permit_forged"
    PERMIT_FOREIGN = "permit_foreign"
    PERMIT_USED = "permit_used"
    PERMIT_REVOKED = "permit_revoked"
    PERMIT_EXPIRED = "permit_expired"
    PERMIT_NOT_YET_VALID = "permit_not_yet_valid"
    CREW_INCOMPLETE = "crew_incomplete"
    TOO_FAR = "too_far"
    NOTHING_OWED = "nothing_owed"
    FACTS_STALE = "facts_stale"
    NOT_ASSIGNED = "not_assigned"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule behind a reason; `citation` names the law or the standard, where there is one."""

    name: str
    citation: str | None = None


_PERMIT: Final = Rule("DOORSTEP-PERMIT")
RULES: Final[dict[Reason, Rule]] = {
    Reason.NOT_OF_CREW: Rule("DOORSTEP-CREW"),
    Reason.NO_PERMIT: _PERMIT,
    Reason.PERMIT_FORGED: _PERMIT,
    Reason.PERMIT_FOREIGN: Rule("DOORSTEP-PERMIT-BINDING"),
    Reason.PERMIT_USED: Rule("DOORSTEP-PERMIT-ONCE"),
    Reason.PERMIT_REVOKED: Rule("DOORSTEP-RECALL"),
    Reason.PERMIT_EXPIRED: Rule("DOORSTEP-PERMIT-WINDOW"),
    Reason.PERMIT_NOT_YET_VALID: Rule("DOORSTEP-PERMIT-WINDOW"),
    Reason.CREW_INCOMPLETE: Rule(
        "CN-CBA2026-VISIT-2P",
        "China Banking Association, Guide to collection of personal consumer loans (trial), 2026-01-30: "
        "a home visit needs no fewer than two people (self-regulation)",
    ),
    Reason.TOO_FAR: Rule("DOORSTEP-PLACE"),
    Reason.NOTHING_OWED: Rule("DOORSTEP-BALANCE"),
    Reason.FACTS_STALE: Rule("DOORSTEP-FRESHNESS"),
    Reason.NOT_ASSIGNED: _PERMIT,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason against a check-in. `detail` is for the collector and holds no personal value."""

    reason: Reason
    detail: str

    @property
    def rule(self) -> Rule:
        """The rule behind it."""
        return RULES[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What the device says, and what intake answered meanwhile: the exact point of the home and the balance it signed,
    each None when no valid answer came.
    """

    permit: str | None
    device_id: str
    crew_present: frozenset[UUID]
    position: Point
    home: Point | None
    balance: SignedBalance | None
    revocation_list: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What our own database knows: no answer of another service is needed to check in."""

    keys: Sequence[JsonWebKey]
    revoked: frozenset[UUID]
    used: frozenset[UUID]
    facts_as_of: datetime | None
    """Compliance's low watermark on the party's partition, real time; None while none arrived or the party is held
    back.
    """
    fact_limit: timedelta
    """F: how old a device's revocation list, or intake's answer, may be."""


def stranger() -> list[Refusal]:
    """Why a collector of another crew does not begin the visit. Nothing else is said: it is not theirs to know."""
    return [Refusal(Reason.NOT_OF_CREW, "the visit belongs to another crew")]


def judge(
    visit: Visit, attempt: Attempt, standing: Standing, *, now: datetime, real_now: datetime
) -> Arrival | list[Refusal]:
    """The arrival, or every reason against it, the weightiest first."""
    if not attempt.permit:
        return [Refusal(Reason.NO_PERMIT, "nobody rings a doorbell without a permit")]
    try:
        claims = read_permit(attempt.permit, standing.keys)
    except NotGenuineError as error:
        return [Refusal(Reason.PERMIT_FORGED, f"the permit is not genuine: {error}")]
    distance = metres_from_home(attempt.position, home=attempt.home, cell=claims.place_cell or visit.cell)
    refusals = [
        *_of_binding(visit, attempt, claims),
        *_of_validity(visit, attempt, standing, claims, now=now),
        *_of_crew_and_place(attempt, claims, distance),
        *_of_debt(attempt, standing, claims, real_now=real_now),
        *_of_freshness(attempt, standing, real_now=real_now),
    ]
    if not refusals and visit.state not in READY:
        refusals.append(Refusal(Reason.NOT_ASSIGNED, f"the visit is {visit.state}"))
    if refusals:
        order = list(Reason)
        return sorted(refusals, key=lambda refusal: order.index(refusal.reason))
    return Arrival(permit_id=claims.permit_id, crew_present=tuple(sorted(attempt.crew_present)), distance_m=distance)


def refused(
    visit: Visit, attempt: Attempt, refusals: Sequence[Refusal], *, now: datetime, real_now: datetime
) -> NewEvent[Any]:
    """The event of a refused check-in: compliance holds against a crew what it tries again and again."""
    data = VisitCheckInRefused(
        **visit.fact(),
        refused_at=now,
        refused_real=real_now,
        device_id=attempt.device_id,
        reasons=[str(one.reason) for one in refusals],
        crew_present=sorted(attempt.crew_present),
        cell=attempt.position.cell(),
    )
    return event(visit, "visit.check_in_refused", data, now=now)


def _of_binding(visit: Visit, attempt: Attempt, claims: PermitClaims) -> Iterator[Refusal]:
    bound = {
        "another visit": claims.subject_id == visit.visit_id and claims.tenant == visit.tenant,
        "another person": claims.party_id == visit.party_id,
        "another channel": claims.channel == "visit",
        "another device": claims.device_id == attempt.device_id,
        "another crew": attempt.crew_present <= set(claims.crew),
        # The permit of an earlier plan of the same visit was replaced: it is not this visit's any more.
        "an earlier assignment": visit.permit_id in (None, claims.permit_id),
    }
    for foreign, holds in bound.items():
        if not holds:
            yield Refusal(Reason.PERMIT_FOREIGN, f"the permit is for {foreign}")
            return


def _of_validity(
    visit: Visit, attempt: Attempt, standing: Standing, claims: PermitClaims, *, now: datetime
) -> Iterator[Refusal]:
    if claims.permit_id in standing.used:
        yield Refusal(Reason.PERMIT_USED, "a permit opens one visit only")
    listed = _list_of(attempt, standing)
    recalled = visit.state is State.RECALLED and visit.permit_id == claims.permit_id
    if recalled or claims.permit_id in standing.revoked or (listed and claims.permit_id in listed.permit_ids):
        yield Refusal(Reason.PERMIT_REVOKED, "a later fact revoked the permit")
    latest_start = claims.expires - timedelta(minutes=claims.duration_minutes)
    if now < claims.not_before:
        yield Refusal(Reason.PERMIT_NOT_YET_VALID, "the permitted window has not begun")
    elif now >= claims.expires:
        yield Refusal(Reason.PERMIT_EXPIRED, "the permitted window is over")
    elif now > latest_start:
        yield Refusal(Reason.PERMIT_EXPIRED, "too late to end inside the permitted window")


def _of_crew_and_place(attempt: Attempt, claims: PermitClaims, distance: int) -> Iterator[Refusal]:
    if len(attempt.crew_present & set(claims.crew)) < CREW_MINIMUM:
        yield Refusal(Reason.CREW_INCOMPLETE, f"at least {CREW_MINIMUM} of the permitted crew must be present")
    if distance > DISTANCE_LIMIT_M:
        yield Refusal(Reason.TOO_FAR, f"more than {DISTANCE_LIMIT_M} m from the permitted place")


def _of_debt(attempt: Attempt, standing: Standing, claims: PermitClaims, *, real_now: datetime) -> Iterator[Refusal]:
    """Who comes to collect asks once more whether anything is owed. Without intake's word the device's list vouches."""
    if claims.purpose != "collection":
        return
    balance = attempt.balance
    if balance is not None and real_now - balance.as_of <= standing.fact_limit:
        if balance.suspended is not None:
            yield Refusal(Reason.FACTS_STALE, f"the core is not believed at the moment: {balance.suspended}")
        elif not balance.owes:
            yield Refusal(Reason.NOTHING_OWED, "nothing is overdue any more")
    elif not _has_fresh_list(attempt, standing, real_now=real_now):
        yield Refusal(Reason.FACTS_STALE, "intake did not confirm what is owed")


def _of_freshness(attempt: Attempt, standing: Standing, *, real_now: datetime) -> Iterator[Refusal]:
    """Fresh is what compliance told us lately, or what it signed for the device lately."""
    if standing.facts_as_of is not None and real_now - standing.facts_as_of <= WATERMARK_LIMIT:
        return
    if not _has_fresh_list(attempt, standing, real_now=real_now):
        yield Refusal(Reason.FACTS_STALE, "what is known of recent payments and stops is too old to begin a visit")


def _has_fresh_list(attempt: Attempt, standing: Standing, *, real_now: datetime) -> bool:
    listed = _list_of(attempt, standing)
    as_of = listed.as_of if listed is not None else None
    return as_of is not None and real_now - as_of <= standing.fact_limit


def _list_of(attempt: Attempt, standing: Standing) -> RevocationList | None:
    """The device's list. One that is not genuine, or another device's, is as good as none: then only our own facts
    count.
    """
    if attempt.revocation_list is None:
        return None
    try:
        listed = read_revocation_list(attempt.revocation_list, standing.keys)
    except NotGenuineError:
        return None
    return listed if listed.device_id == attempt.device_id else None
