"""The desk that decides on permits: many at once, set-wise, under the party locks, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.compliance import announcements, third_person_desk
from services.compliance.decision_desk import Decided, keep, reasons
from services.compliance.domain.budget_keys import Keys, names_of
from services.compliance.domain.decisions import Decision
from services.compliance.domain.facts import Balance, PartyFacts
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.permits import Permit, grant, release
from services.compliance.domain.rulings import Answer, Earliest
from services.compliance.domain.third_persons import INQUIRY, Ledger
from services.compliance.instruments import PERMIT_KIND, Instruments
from services.compliance.permit_life import prove_released
from services.compliance.question_desk import Known, digest_of, load_known
from services.compliance.schemas.permits import PermitAnswer, PermitRequest
from services.compliance.store import permits as store
from shared.database import UnitOfWork
from shared.events.compliance import PermitRefused
from shared.ids import entity_id, shard_of


@dataclass(slots=True)
class _Outcome:
    """What one batch writes."""

    answers: list[PermitAnswer] = field(default_factory=list)
    granted: list[store.GrantedPermit] = field(default_factory=list)
    replaced: list[Permit] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)


async def decide_permits(
    uow: UnitOfWork, instruments: Instruments, requests: Sequence[PermitRequest], balances: Mapping[UUID, Balance]
) -> list[PermitAnswer]:
    """Decide in order; each grant is reserved before the next request of the party is looked at.

    The parties are locked; so are, from here on, all keys that the contacts count on.
    """
    known = await load_known(uow, instruments, requests, balances, taking=True)
    sharing = _sharing(known.facts, known.named)
    outcome = _Outcome()
    asked_of = Counter(request.party_id for request in requests)
    for request in requests:
        asked_of[request.party_id] -= 1
        given = known.given(request)
        if given is not None:
            outcome.answers.append(_granted_answer(given))
            continue
        granted = _decide(uow, instruments, request, known.judged_on(request, uow), outcome)
        if granted is not None:
            _take(known, request, granted, outcome, sharing=sharing, asked_again=asked_of[request.party_id] > 0)
    await _save(uow, instruments, outcome)
    return outcome.answers


def _take(
    known: Known, request: PermitRequest, granted: store.GrantedPermit, outcome: _Outcome,
    *, sharing: Mapping[str, set[UUID]], asked_again: bool,
) -> None:  # fmt: skip
    """What the requests that follow in the batch find: this one's reservation, and what it replaces given back."""
    facts, reservation, replaced = known.facts, granted.permit.reservation(), known.replaced_by(request)
    known.answered[request.request_id] = granted
    if asked_again:
        facts[request.party_id] = facts[request.party_id].with_reservation(reservation, replacing=request.replaces)
    for other in _others(granted.permit, sharing):
        facts[other] = facts[other].with_reservation_of_another(reservation, replacing=request.replaces)
    if replaced is not None:
        outcome.replaced.append(release(replaced, cause="replaced"))
        known.old[replaced.permit_id] = outcome.replaced[-1]
    _note(known.ledger, granted.permit, replaced)


def _note(ledger: Ledger | None, granted: Permit, replaced: Permit | None) -> None:
    """What the next request of the batch finds in the ledger."""
    if ledger is None:
        return
    if granted.inquiry is not None:
        ledger.note(granted.inquiry, more=1)
    if replaced is not None and replaced.inquiry is not None:
        ledger.note(replaced.inquiry, more=-1)


def _sharing(facts: Mapping[UUID, PartyFacts], named: Mapping[UUID, Keys]) -> dict[str, set[UUID]]:
    """Which of the people asked about share a key, by its name: what one of them is granted counts for the others."""
    if len(facts) == 1:
        return {}
    found: dict[str, set[UUID]] = {}
    for party_id, known in facts.items():
        for name in (*names_of(known.keys), *names_of(named[party_id])):
            found.setdefault(name, set()).add(party_id)
    return {name: parties for name, parties in found.items() if len(parties) > 1}


def _others(permit: Permit, sharing: Mapping[str, set[UUID]]) -> set[UUID]:
    others = {party_id for name in names_of(permit.keys) for party_id in sharing.get(name, ())} if sharing else set()
    return others - {permit.party_id}


def _decide(
    uow: UnitOfWork, instruments: Instruments, request: PermitRequest, judged_on: JudgedOn, outcome: _Outcome
) -> store.GrantedPermit | None:
    decision = judged_on.decide(instruments.book)
    decision_id = entity_id(shard_of(request.party_id))
    allowed = decision.answer is Answer.ALLOW
    permit_id = _permit_id(request, outcome) if allowed else None
    granted = None if permit_id is None else _grant(instruments, request, judged_on, decision_id, permit_id)
    outcome.decided.append(
        Decided(asked=request, judged_on=judged_on, decision=decision, decision_id=decision_id, permit_id=permit_id)
    )
    if granted is None:
        outcome.answers.append(_refusal(uow, request, decision, decision_id))
        return None
    outcome.granted.append(granted)
    outcome.answers.append(_granted_answer(granted))
    uow.emit(announcements.granted(granted.permit, uow.now))
    return granted


def _permit_id(request: PermitRequest, outcome: _Outcome) -> UUID:
    """An id that grows with the requests of a batch: what is granted at one moment gives way in this order."""
    return entity_id(shard_of(request.party_id), ahead_ms=len(outcome.granted))


def _grant(
    instruments: Instruments, request: PermitRequest, judged_on: JudgedOn, decision_id: UUID, permit_id: UUID
) -> store.GrantedPermit:
    permit = grant(
        judged_on.question,
        judged_on.facts,
        permit_id=permit_id,
        decision_id=decision_id,
        request_id=request.request_id,
        case_id=request.case_id,
        tenant=instruments.tenant,
        rule_set=instruments.book.rule_set,
        third_person=request.contact_point if request.channel == INQUIRY else None,
    )
    token = instruments.permit_key.sign_document(permit.claims(), kind=PERMIT_KIND)
    return store.GrantedPermit(permit, token, digest_of(request))


def _refusal(uow: UnitOfWork, request: PermitRequest, decision: Decision, decision_id: UUID) -> PermitAnswer:
    rulings = decision.refusals
    earliest = decision.earliest or Earliest()
    data = PermitRefused(
        decision_id=decision_id,
        party_id=request.party_id,
        channel=request.channel,
        purpose=request.purpose,
        answer="deny" if decision.answer is Answer.DENY else "needs-fact",
        rules=[ruling.rule.id for ruling in rulings],
        citations=[ruling.rule.citation for ruling in rulings],
        earliest_lawful=earliest.at,
    )
    uow.emit(announcements.refused(data, uow.now))
    return PermitAnswer(
        request_id=request.request_id,
        decision_id=decision_id,
        decision=decision.answer.value,
        reasons=reasons(decision),
        earliest_lawful=earliest.at,
        lawful_after=earliest.after,
    )


def _granted_answer(granted: store.GrantedPermit) -> PermitAnswer:
    return PermitAnswer(
        request_id=granted.permit.request_id,
        decision_id=granted.permit.decision_id,
        decision="allow",
        reasons=[],
        permit_id=granted.permit.permit_id,
        permit=granted.token,
    )


async def _save(uow: UnitOfWork, instruments: Instruments, outcome: _Outcome) -> None:
    await keep(uow, instruments, outcome.decided)
    await store.insert_permits(uow, instruments.cipher, outcome.granted)
    await store.update_permits(uow, outcome.replaced)
    await third_person_desk.take(uow, [one.permit for one in outcome.granted], given_back=outcome.replaced)
    await prove_released(uow, instruments, outcome.replaced)
