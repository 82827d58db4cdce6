"""Topic `case`: who is overdue, where, since when contacts are attested; payments and cures recall permits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance import (
    card_desk,
    dossier_desk,
    fact_desk,
    hindsight,
    hold_desk,
    identity_desk,
    moratorium_desk,
    reconsideration,
    sharing_desk,
)
from services.compliance.domain.debts import Debt, Leaving, debts_told, left_by
from services.compliance.domain.fact_tasks import told_by_case
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import FOUR_EYES, HOLD_OF_CORE, HoldKind, days_anywhere
from services.compliance.domain.places import Place
from services.compliance.domain.recalls import VISITS
from services.compliance.domain.rule_parts import FactName
from services.compliance.instruments import Instruments
from services.compliance.recalls import Recall, recall
from services.compliance.store.budget_keys import EVER, Reached, reach
from services.compliance.store.case_facts import CaseFact, load_cases, save_cases
from services.compliance.store.debts import save_debts
from services.compliance.store.places import insert_places
from shared.database import UnitOfWork
from shared.events import Event, Received
from shared.events.base import EventData
from shared.events.case import (
    CaseBucketChanged,
    CaseClosed,
    CaseEnded,
    CaseHoldSeen,
    CaseIdentity,
    CaseLoanCured,
    CaseOpened,
    CasePartyMerged,
    CasePaymentPosted,
    CasePaymentReversed,
    CaseReleased,
    CaseSuspended,
    PartyCardRead,
    PartyConsentsTold,
    PartyMinorityChanged,
)
from shared.events.stop import StopCause
from shared.messaging import InboxKey, Outcome, Subscription

TYPES: Final = frozenset(
    {
        "case.opened", "case.updated", "case.bucket_changed", "case.payment_posted", "case.payment_reversed",
        "case.cured", "case.closed", "case.loan_cured", "case.hold_seen", "case.suspended", "case.released",
        "party.card_read", "party.minority_changed", "party.consents_told",
        "case.party_merged", "case.party_unmerged",
    }
)  # fmt: skip
MONOTONE: Final = frozenset({"case.payment_posted", "case.cured", "case.closed", "case.party_merged"})
_INCOMPLETE: Final[HoldKind] = "facts_incomplete"
# Source of the hold of somebody who is not of age by the core's word on their birthday.
_AGE: Final = "core-birthday"
# The client that owns these facts (`telling`), whichever way its word comes.
_CORE: Final = "core"
_FACT_OF: Final[dict[str, FactName]] = {
    "electronic_contact": "electronic_consent",
    "calls_at_work": "work_calls_accepted",
    "contact_at_this_place": "place_consented",
}


@dataclass(slots=True)
class _Fold:
    """What one batch does."""

    cases: dict[UUID, CaseFact]
    real_now: datetime
    changed: set[UUID] = field(default_factory=set)
    described: set[UUID] = field(default_factory=set)
    debts: dict[UUID, tuple[Debt, ...]] = field(default_factory=dict)
    left: dict[UUID, dict[UUID | None, Leaving]] = field(default_factory=dict)
    recalls: list[Recall] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    homes: list[Reached] = field(default_factory=list)
    rehomed: list[tuple[UUID, datetime]] = field(default_factory=list)
    told: list[tuple[UUID, str]] = field(default_factory=list)
    read: list[PartyCardRead] = field(default_factory=list)
    consents: dict[tuple[UUID, str, datetime], dossier_desk.NewEntry] = field(default_factory=dict)
    outcomes: dict[InboxKey, Outcome] = field(default_factory=dict)


def subscription(instruments: Instruments) -> Subscription:
    """Cases, with payments and cures at once even for parked parties."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        return await fold_cases(uow, instruments, batch)

    return Subscription(topic="case", types=TYPES, handle=handle, monotone_types=MONOTONE)


async def fold_cases(
    uow: UnitOfWork, instruments: Instruments, batch: Sequence[Received[EventData]]
) -> Mapping[InboxKey, Outcome]:
    """Fold each party's events in order; the highest version wins. The parties are locked."""
    parties = {one.event.party_id for one in batch if one.event.party_id is not None}
    fold = _Fold(await load_cases(uow, parties), uow.real_now)
    for one in batch:
        data = one.event.data
        if isinstance(data, CaseReleased):
            ends = hold_desk.EndHolds(
                party_id=data.party_id, kind=_INCOMPLETE, source_ref=_source(data), cause="case.released"
            )
            await hold_desk.end(uow, instruments, [ends])
        elif isinstance(data, CaseSuspended):
            await hold_desk.place(uow, instruments, [_suspension(one.event, data, uow)])
        elif isinstance(data, CaseHoldSeen):
            await _keep_hold(uow, instruments, one.event, data)
        elif isinstance(data, PartyMinorityChanged):
            await _keep_minority(uow, instruments, one.event, data)
        elif isinstance(data, PartyConsentsTold):
            fold.consents |= {(one.party_id, one.name, one.as_of): one for one in _entries(data, now=uow.now)}
        elif isinstance(data, PartyCardRead):
            fold.read.append(data)
        elif isinstance(data, CaseIdentity):
            await identity_desk.follow(uow, instruments, one.event, data)
            _give_up(fold, data)
        elif not _apply(fold, one.event):
            fold.outcomes[InboxKey(one.event.source, one.event.id)] = Outcome.IGNORED
    await save_cases(uow, [fold.cases[party_id] for party_id in sorted(fold.changed)])
    moratorium_desk.follow_debts(uow, await save_debts(uow, fold.debts, left=fold.left), arrived_real=uow.real_now)
    await reach(uow, fold.homes)
    await insert_places(uow, fold.places)
    await fact_desk.hear(uow, fold.told)
    if fold.consents:  # of two words about one moment the later one corrects the other
        await dossier_desk.tell(uow, instruments, list(fold.consents.values()), told_by=_CORE)
    await card_desk.record(uow, instruments, fold.read)
    await recall(uow, instruments, fold.recalls)
    await reconsideration.reconsider(uow, instruments, {*fold.described, *fold.left})
    moved = [(place.party_id, hindsight.Since(place.since)) for place in fold.places if place.since < uow.now]
    await hindsight.judge_since(uow, instruments, moved)
    laws = [*((place.party_id, place.since) for place in fold.places), *fold.rehomed]
    await sharing_desk.follow_laws(uow, laws, arrived_real=uow.real_now)
    return fold.outcomes


def _apply(fold: _Fold, event: Event[EventData]) -> bool:
    """Apply one event to its case; False when it is stale or its case is not known."""
    data = event.data
    if isinstance(data, CaseOpened):
        return _describe(fold, event, data)
    if not isinstance(data, CaseBucketChanged | CasePaymentPosted | CasePaymentReversed | CaseLoanCured | CaseEnded):
        return False
    if isinstance(data, CasePaymentPosted):
        fold.recalls.append(_recall(event, data.party_id, "payment"))
    elif isinstance(data, CaseEnded):
        fold.recalls.append(_recall(event, data.party_id, _ended_by(data)))
    known = fold.cases.get(data.party_id)
    if known is None or known.case_id != data.case_id or data.version < known.version:
        return False
    if isinstance(data, CaseEnded):
        fold.debts[data.party_id] = ()
    if isinstance(data, CaseClosed | CaseLoanCured) and (how := left_by(data.cause)) is not None:
        # A loan, or with the case all that were still collected.
        fold.left.setdefault(data.party_id, {})[None if isinstance(data, CaseClosed) else data.loan_id] = how
    is_open = known.is_open and not isinstance(data, CaseEnded)
    _change(fold, replace(known, version=data.version, is_open=is_open))
    return True


def _ended_by(data: CaseEnded) -> StopCause:
    """A loan that is somebody else's now is nothing to this person any more, as after a cure."""
    return data.cause if isinstance(data, CaseClosed) and data.cause != "moved" else "cured"


def _give_up(fold: _Fold, data: CaseIdentity) -> None:
    """The case of somebody who is another person now is over; who they owe to is in the other case."""
    if isinstance(data, CasePartyMerged) and data.party_id == data.merged_id:
        fold.debts[data.party_id] = ()
        if data.party_id in fold.cases:
            _change(fold, replace(fold.cases[data.party_id], is_open=False))


def _describe(fold: _Fold, event: Event[EventData], data: CaseOpened) -> bool:
    known = fold.cases.get(data.party_id)
    if known is not None and known.case_id == data.case_id and data.version <= known.version:
        return False
    debts = debts_told(data)
    if debts is not None:
        fold.debts[data.party_id] = debts
        for loan in data.loans:
            fold.left.get(data.party_id, {}).pop(loan.loan_id, None)
    case = CaseFact(
        party_id=data.party_id,
        case_id=data.case_id,
        version=data.version,
        is_open=any(total.amount_minor > 0 for total in data.overdue_totals),
        held=data.held,
        jurisdiction=data.jurisdiction,
        zones=tuple(data.time_zones),
        history_known_from=data.history_known_from,
        household=data.household,
        debts_known=debts is not None,
        core=data.core,
    )
    if known is not None and _place(known) != _place(case):
        # A permit was granted for the hours and the law of where the person was thought to be.
        fold.recalls.append(replace(_recall(event, data.party_id, "facts_changed"), contacts=None))
    elif known is not None and known.household not in (None, case.household):
        fold.recalls.append(replace(_recall(event, data.party_id, "facts_changed"), contacts=VISITS))
    _settle(fold, known, case, since=event.time)
    if known is None or _place(known) != _place(case):
        place = Place(
            party_id=case.party_id, since=event.time, recorded_real=fold.real_now, jurisdiction=case.jurisdiction,
            zones=case.zones,
        )  # fmt: skip
        fold.places.append(place)
    fold.told += [(case.party_id, fact) for fact in told_by_case(known, case)]
    _change(fold, case)
    fold.described.add(case.party_id)
    return True


def _settle(fold: _Fold, known: CaseFact | None, case: CaseFact, *, since: datetime) -> None:
    """A home that follows another one is theirs from then on. Of the first one nobody says since when: it always was,
    as the first place.
    """
    before = None if known is None else known.household
    since = EVER if before is None else since
    if case.household is not None:
        fold.homes.append(Reached(case.party_id, [f"household:{case.household}"], since))
    if known is None or case.household not in (None, before):
        fold.rehomed.append((case.party_id, since))


def _place(case: CaseFact) -> tuple[str, tuple[str, ...], bool]:
    return case.jurisdiction, tuple(sorted(case.zones)), case.held


def _change(fold: _Fold, case: CaseFact) -> None:
    fold.cases[case.party_id] = case
    fold.changed.add(case.party_id)


def _recall(event: Event[EventData], party_id: UUID, cause: str) -> Recall:
    return Recall(party_id=party_id, cause=cause, fact_arrived_real=event.recorded_time)


async def _keep_minority(
    uow: UnitOfWork, instruments: Instruments, event: Event[EventData], data: PartyMinorityChanged
) -> None:
    """Nobody speaks of a debt with a minor, from the word of the core on until they are of age."""
    if not data.is_minor:
        ends = hold_desk.EndHolds(party_id=data.party_id, kind="minor", source_ref=_AGE, cause="minor.of_age")
        await hold_desk.end(uow, instruments, [ends])
        return
    hold = hold_desk.NewHold(
        party_id=data.party_id,
        kind="minor",
        scope="party",
        valid_from=min(event.time, uow.now),
        source_ref=f"{_AGE}:{event.id}",
        fact_arrived_real=event.recorded_time,
    )
    await hold_desk.place(uow, instruments, [hold])


def _entries(data: PartyConsentsTold, *, now: datetime) -> list[dossier_desk.NewEntry]:
    """A word is never from later than now: the core's clock may be ahead of ours."""
    return [
        dossier_desk.NewEntry(
            party_id=data.party_id,
            name=_FACT_OF[one.kind],
            value=one.given,
            as_of=min(one.said_at, now),
            owner=_CORE,
            reference=one.evidence,
        )
        for one in data.consents
    ]


def _suspension(event: Event[EventData], data: CaseSuspended, uow: UnitOfWork) -> hold_desk.NewHold:
    return hold_desk.NewHold(
        party_id=data.party_id,
        kind=_INCOMPLETE,
        scope="party",
        valid_from=min(event.time, uow.now),
        source_ref=_source(data),
        fact_arrived_real=event.recorded_time,
    )


def _source(data: CaseSuspended) -> str:
    return f"case:{data.case_id}"


async def _keep_hold(uow: UnitOfWork, instruments: Instruments, event: Event[EventData], seen: CaseHoldSeen) -> None:
    """A hold of the core as it is known now takes the place of what was known before.

    An end acts from now on, so what was known before stands until now; of some holds only two people see the end.
    """
    kind, source = HOLD_OF_CORE[seen.kind], f"core:{seen.hold_ref}"
    valid_from, valid_to = days_anywhere(seen.starts_on, seen.ends_on)
    by_two = kind in FOUR_EYES
    if not by_two:
        ends = hold_desk.EndHolds(party_id=seen.party_id, kind=kind, source_ref=source, cause="case.hold_seen")
        await hold_desk.end(uow, instruments, [ends])
    hold = hold_desk.NewHold(
        party_id=seen.party_id,
        kind=kind,
        scope=seen.scope,
        scope_key=scope_key_of_debt(seen.debt_id) if seen.scope == "loan" else "",
        valid_from=valid_from,
        valid_to=None if by_two else valid_to,
        source_ref=f"{source}:{seen.starts_on if by_two else seen.version}",
        fact_arrived_real=event.recorded_time,
    )
    await hold_desk.place(uow, instruments, [hold])
