"""How long a person's records are kept, and why they are not erased yet: by law, by a claim, or because it is unknown.

Records of the collection process (contacts, decisions, permits, findings, complaints) are one sort, `contact`, and run
from the last thing recorded; the recording of a plan is another. The longest minimum of the person's place counts,
whatever the product: one whose applicability is unknown applies. When it has passed the records are restricted, and
then erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.holds import HoldKind
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rules.records import Kept, keep_until

# Bank policy: who wants to object, complain or hold against an erasure has this long after the last minimum.
RESTRICTED_FOR: Final = timedelta(days=90)
# Somebody's claim is being made, exercised or defended as long as one of these stands.
CLAIMS: Final[frozenset[HoldKind]] = frozenset(
    {"dispute", "ombudsman", "insolvency", "plan_active", "facts_incomplete"}
)
_LAST_DATE: Final = timedelta(hours=12)
KeepingState = Literal["kept", "restricted", "due"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is known of a person whose records may have to be kept. Moments are business time.

    `last_recorded` None: nothing was ever recorded but the case. `plan_paid_off`: the day the last plan was completed;
    None while it runs, was broken, or there was none (`had_plan`).
    """

    party_id: UUID
    jurisdiction: str | None
    case_open: bool
    legal_holds: tuple[str, ...] = ()
    open_complaints: int = 0
    open_claims: tuple[str, ...] = ()
    last_recorded: datetime | None = None
    had_plan: bool = False
    plan_paid_off: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why records are kept. `earliest`: the first day on which this reason is gone; or `after` which event."""

    rule: str
    citation: str
    detail: str
    earliest: date | None = None
    after: str | None = None


def reasons_to_keep(holding: Holding, book: RuleBook, *, today: date) -> tuple[Reason, ...]:
    """Every reason for which the person is not erased today; none: may be erased."""
    return (*_claims(holding), *_minima(holding, book, today=today))


def keep_until_of(holding: Holding, book: RuleBook, *, today: date) -> dict[str, Kept]:
    """Until when each sort of record of the person is kept."""
    rules = book.rules(jurisdiction=holding.jurisdiction, day=today)
    last = day_of(holding.last_recorded) if holding.last_recorded is not None else None
    if last is None:
        return {}
    found = {"contact": keep_until(rules, records="contact", last_contact=last, paid_off=None)}
    if holding.had_plan:
        recording = keep_until(rules, records="plan_recording", last_contact=last, paid_off=holding.plan_paid_off)
        if recording.rule is not None:
            found["plan_recording"] = recording
    return found


def state_of(holding: Holding, book: RuleBook, *, today: date, restricted_since: date | None) -> KeepingState:
    """`kept` while a reason stands, then `restricted` for 90 days from the day it was seen, then `due` to be erased.

    However late it is seen, there is time to object. Of whom nothing was recorded nothing runs out.
    """
    if holding.last_recorded is None or reasons_to_keep(holding, book, today=today):
        return "kept"
    if restricted_since is not None and today >= restricted_since + RESTRICTED_FOR:
        return "due"
    return "restricted"


def today_everywhere(now: datetime) -> date:
    """The date that has begun everywhere on earth: what is kept for years is never kept for a day less."""
    return (now.astimezone(UTC) - _LAST_DATE).date()


def day_of(moment: datetime) -> date:
    """The last date that the moment can fall on anywhere."""
    return (moment.astimezone(UTC) + EARLIEST_DATE).date()


def _claims(holding: Holding) -> Sequence[Reason]:
    found = [
        Reason(
            rule="RIGHTS-LEGAL-HOLD",
            citation="GDPR art. 17(3)(e); PIPL art. 47: kept for legal claims",
            detail=f"a legal hold stands: {matter}",
            after="legal_hold.lifted",
        )
        for matter in holding.legal_holds
    ]
    if holding.open_complaints:
        found.append(
            Reason(
                rule="RIGHTS-COMPLAINT-OPEN",
                citation="GDPR art. 17(3)(e): evidence of a complaint is frozen until it is closed",
                detail=f"{holding.open_complaints} complaints are open",
                after="complaint.closed",
            )
        )
    if holding.case_open:
        found.append(
            Reason(
                rule="RIGHTS-CASE-OPEN",
                citation="GDPR art. 17(1)(a); PIPL art. 47(1): the purpose is not achieved while a debt is overdue",
                detail="a debt is overdue",
                after="case.cured",
            )
        )
    found += [
        Reason(
            rule="RIGHTS-CLAIM-OPEN",
            citation="GDPR art. 17(3)(e); PIPL art. 47(1): a claim is being made or an agreement runs",
            detail=f"a hold stands: {kind}",
            after="hold.ended",
        )
        for kind in holding.open_claims
    ]
    return found


def _minima(holding: Holding, book: RuleBook, *, today: date) -> Sequence[Reason]:
    found = []
    for sort, kept in keep_until_of(holding, book, today=today).items():
        if kept.rule is None:
            found.append(
                Reason(
                    rule="RIGHTS-RETENTION-UNKNOWN",
                    citation="Doorstep: where no loaded pack says how long records are kept, they are kept",
                    detail=f"no rule of {holding.jurisdiction or 'an unknown place'} says how long: {sort} records",
                    after="pack.released",
                )
            )
        elif kept.until is None:
            detail = f"{sort} records are kept until the debt is paid off"
            found.append(Reason(rule=kept.rule.id, citation=kept.rule.citation, detail=detail, after="plan.completed"))
        elif today <= kept.until:
            found.append(
                Reason(
                    rule=kept.rule.id,
                    citation=kept.rule.citation,
                    detail=f"{sort} records are kept until {kept.until}",
                    earliest=kept.until + timedelta(days=1),
                )
            )
    return found
