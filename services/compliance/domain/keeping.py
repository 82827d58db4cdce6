"""How long a person's records are kept, and why they are not erased yet: by law, by a claim, or because it is unknown.

Each sort of record (contacts, decisions, permits, evidence, complaints, findings, holds, facts) has a minimum of its
own: the longest of the person's place, whatever the product; one whose applicability is unknown applies, and where the
place is unknown those of all places do. When it has passed, the sort is restricted, and then deleted; the person's key
goes last, when nothing has any sort kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.holds import HoldKind
from services.compliance.domain.local_time import EARLIEST_DATE
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.record_kinds import RECORD_KINDS, RecordKind
from services.compliance.domain.rule_records import EVERYWHERE, RetainRule, Rule
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

    `newest`: the newest record of each sort of which anything is kept; `restricted`: since when a sort is.
    `last_recorded`: of anything ever recorded beside the case, deleted since or not; None: nothing was.
    `last_activity`: the last contact, or permission or question for one. `plan_paid_off`: the day the last plan was
    completed; None while it runs, was broken, or there was none (`had_plan`).
    """

    party_id: UUID
    jurisdiction: str | None
    case_open: bool
    legal_holds: tuple[str, ...] = ()
    open_complaints: int = 0
    open_claims: tuple[str, ...] = ()
    newest: Mapping[RecordKind, datetime] = field(default_factory=dict)
    restricted: Mapping[RecordKind, date] = field(default_factory=dict)
    last_recorded: datetime | None = None
    last_activity: datetime | None = None
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
    rules = retain_rules(holding, book, today=today)
    moments = [one for one in (holding.last_activity, *holding.newest.values()) if one is not None]
    if not moments:
        return {}
    last = day_of(holding.last_activity or max(moments))
    paid = holding.plan_paid_off
    found: dict[str, Kept] = {
        kind: keep_until(rules, records=kind, last_contact=last, last_record=day_of(moment), paid_off=paid)
        for kind, moment in holding.newest.items()
    }
    if holding.had_plan:
        recording = keep_until(rules, records="plan_recording", last_contact=last, paid_off=paid)
        if recording.rule is not None:
            found["plan_recording"] = recording
    return found


def retain_rules(holding: Holding, book: RuleBook, *, today: date) -> Sequence[Rule]:
    """The rules that say how long. Of an unknown place, or one without a pack, those of every place."""
    if book.knows(holding.jurisdiction):
        return book.rules(jurisdiction=holding.jurisdiction, day=today)
    return [
        rule.model_copy(update={"fallback": False})
        for pack in book.packs
        if pack.in_force(today)
        for rule in pack.rule
        if isinstance(rule, RetainRule) and rule.in_force(today) and rule.status != "draft"
    ]


def states_of(holding: Holding, book: RuleBook, *, today: date) -> dict[RecordKind, KeepingState]:
    """Of each sort of which anything is kept: `kept`, `restricted` for 90 days, or `due` to be deleted."""
    claimed = bool(_claims(holding))
    kept = keep_until_of(holding, book, today=today)
    return {
        kind: "kept" if claimed or _binds(kept[kind], today) else _ending(holding.restricted.get(kind), today)
        for kind in holding.newest
    }


def kept_for_ever(book: RuleBook, *, today: date) -> list[tuple[str, RecordKind]]:
    """The places and sorts of records of which no loaded rule says how long: of these nothing is ever erased."""
    places = sorted({pack.jurisdiction for pack in book.packs if pack.jurisdiction != EVERYWHERE})
    return [
        (place, kind)
        for place in places
        for kind in RECORD_KINDS
        if keep_until(book.rules(jurisdiction=place, day=today), records=kind, last_contact=today, paid_off=today).rule
        is None
    ]


def state_of(holding: Holding, book: RuleBook, *, today: date, restricted_since: date | None) -> KeepingState:
    """`kept` while a reason stands, then `restricted` for 90 days from the day it was seen, then `due` to be erased.

    However late it is seen, there is time to object. Of whom nothing was recorded nothing runs out.
    """
    if holding.last_recorded is None or reasons_to_keep(holding, book, today=today):
        return "kept"
    return _ending(restricted_since, today)


def _ending(restricted_since: date | None, today: date) -> KeepingState:
    over = restricted_since is not None and today >= restricted_since + RESTRICTED_FOR
    return "due" if over else "restricted"


def _binds(kept: Kept, today: date) -> bool:
    return kept.until is None or today <= kept.until


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
    """One reason for each rule and end; it names the sorts that the rule has kept until then."""
    sorts: dict[tuple[str | None, date | None], list[str]] = {}
    of_rule: dict[str | None, Kept] = {}
    for sort, kept in keep_until_of(holding, book, today=today).items():
        if _binds(kept, today):
            rule_id = None if kept.rule is None else kept.rule.id
            sorts.setdefault((rule_id, kept.until), []).append(sort)
            of_rule[rule_id] = kept
    return [_reason(of_rule[rule_id], until, names, holding) for (rule_id, until), names in sorts.items()]


def _reason(kept: Kept, until: date | None, sorts: Sequence[str], holding: Holding) -> Reason:
    named = ", ".join(sorts)
    if kept.rule is None:
        return Reason(
            rule="RIGHTS-RETENTION-UNKNOWN",
            citation="Doorstep: where no loaded pack says how long records are kept, they are kept",
            detail=f"no rule of {holding.jurisdiction or 'an unknown place'} says how long: {named} records",
            after="pack.released",
        )
    if until is None:
        detail = f"{named} records are kept until the debt is paid off"
        return Reason(rule=kept.rule.id, citation=kept.rule.citation, detail=detail, after="plan.completed")
    return Reason(
        rule=kept.rule.id,
        citation=kept.rule.citation,
        detail=f"{named} records are kept until {until}",
        earliest=until + timedelta(days=1),
    )
