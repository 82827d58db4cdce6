"""The desk that decides on permits: many at once, set-wise, under the party locks, in one transaction."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from services.compliance import announcements, third_person_desk
from services.compliance.decision_desk import Decided, keep, keys_named_by, question_of, reasons
from services.compliance.domain.budget_keys import Keys, names_of
from services.compliance.domain.decisions import Decision
from services.compliance.domain.facts import Balance, PartyFacts, Question
from services.compliance.domain.judged_on import DeskRefusal, JudgedOn, refused_of_debts
from services.compliance.domain.lost_devices import stays_counted
from services.compliance.domain.permits import Permit, PermitState, grant, release
from services.compliance.domain.rulings import Answer, Earliest
from services.compliance.domain.third_persons import INQUIRY, Ledger
from services.compliance.instruments import PERMIT_KIND, Instruments
from services.compliance.permit_life import prove_released
from services.compliance.schemas.permits import PermitAnswer, PermitRequest
from services.compliance.store import permits as store
from services.compliance.store.facts import load_facts
from services.compliance.store.lost_devices import load_lost
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
    known_from = await third_person_desk.opened(uow, requests)
    named = keys_named_by(requests)
    facts = await load_facts(
        uow, instruments.cipher, {request.party_id for request in requests}, named=named, taking=True
    )
    sharing = _sharing(facts, named)
    ledger = await third_person_desk.ledger_for(uow, known_from, requests)
    answered = await store.load_answered(
        uow, instruments.cipher, [(request.party_id, request.request_id) for request in requests]
    )
    old = await store.load_permits(
        uow, instruments.cipher, {request.replaces for request in requests if request.replaces is not None}
    )
    lost = await load_lost(uow, [permit.device_id for permit in old.values()])
    old = {permit_id: permit for permit_id, permit in old.items() if not stays_counted(permit, lost)}
    outcome = _Outcome()
    asked_of = Counter(request.party_id for request in requests)
    for request in requests:
        asked_of[request.party_id] -= 1
        known = answered.get(request.request_id)
        if known is not None and _same(known, request):
            outcome.answers.append(_granted_answer(known))
            continue
        party = facts[request.party_id]
        if request.party_id in balances:
            party = replace(party, balance=balances[request.party_id])
        replaced = None if request.replaces is None else old.get(request.replaces)
        party = third_person_desk.known_of(request, party, ledger, replaced=replaced)
        granted = _decide(uow, instruments, request, party, outcome, reused=known is not None, replaced=replaced)
        if granted is not None:
            answered[request.request_id] = granted
            if asked_of[request.party_id]:
                facts[request.party_id] = facts[request.party_id].with_reservation(
                    granted.permit.reservation(), replacing=request.replaces
                )
            for other in _others(granted.permit, sharing):
                facts[other] = facts[other].with_reservation_of_another(
                    granted.permit.reservation(), replacing=request.replaces
                )
            if replaced is not None:
                outcome.replaced.append(release(replaced, cause="replaced"))
                old[replaced.permit_id] = outcome.replaced[-1]
            _note(ledger, granted.permit, replaced)
    await _save(uow, instruments, outcome)
    return outcome.answers


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
    uow: UnitOfWork, instruments: Instruments, request: PermitRequest, facts: PartyFacts, outcome: _Outcome,
    *, reused: bool, replaced: Permit | None,
) -> store.GrantedPermit | None:  # fmt: skip
    refused_by: DeskRefusal | None = None
    if reused:
        refused_by = "request_reused"
    elif request.replaces is not None and not _replaceable(replaced, request):
        refused_by = "not_replaceable"
    else:
        refused_by = refused_of_debts(request.debt_ids or (), request.purpose, facts)
    question = question_of(request, uow, facts)
    judged_on = JudgedOn(question=question, facts=facts, replaces=request.replaces, refused_by=refused_by)
    decision = judged_on.decide(instruments.book)
    decision_id = entity_id(shard_of(request.party_id))
    allowed = decision.answer is Answer.ALLOW
    permit_id = _permit_id(request, outcome) if allowed else None
    granted = None if permit_id is None else _grant(instruments, request, question, facts, decision_id, permit_id)
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
    instruments: Instruments, request: PermitRequest, question: Question, facts: PartyFacts, decision_id: UUID,
    permit_id: UUID,
) -> store.GrantedPermit:  # fmt: skip
    permit = grant(
        question,
        facts,
        permit_id=permit_id,
        decision_id=decision_id,
        request_id=request.request_id,
        case_id=request.case_id,
        tenant=instruments.tenant,
        rule_set=instruments.book.rule_set,
        third_person=request.contact_point if request.channel == INQUIRY else None,
    )
    token = instruments.permit_key.sign_document(permit.claims(), kind=PERMIT_KIND)
    return store.GrantedPermit(permit, token, _digest(request))


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


def _same(known: store.GrantedPermit, request: PermitRequest) -> bool:
    """Whether the request was answered with a permit that can still be used."""
    usable = known.permit.state in (PermitState.GRANTED, PermitState.USED) and known.permit.revoked_real is None
    return usable and known.request_sha256 == _digest(request)


# What requests of before could not say: their digests know none of these.
_ADDED: Final = ("debt_ids", "contact_point", "address", "address_key")


def _digest(request: PermitRequest) -> bytes:
    """What makes a request the same one: everything but the versions, which grow while the asker retries.

    Of fields that were added later only what was said counts.
    """
    unsaid = {name for name in _ADDED if getattr(request, name) is None}
    return hashlib.sha256(request.model_dump_json(exclude={"versions", *unsaid}).encode()).digest()


def _replaceable(replaced: Permit | None, request: PermitRequest) -> bool:
    return (
        replaced is not None
        and (replaced.party_id, replaced.channel) == (request.party_id, request.channel)
        and replaced.state is PermitState.GRANTED
    )


async def _save(uow: UnitOfWork, instruments: Instruments, outcome: _Outcome) -> None:
    await keep(uow, instruments, outcome.decided)
    await store.insert_permits(uow, instruments.cipher, outcome.granted)
    await store.update_permits(uow, outcome.replaced)
    await third_person_desk.take(uow, [one.permit for one in outcome.granted], given_back=outcome.replaced)
    await prove_released(uow, instruments, outcome.replaced)
