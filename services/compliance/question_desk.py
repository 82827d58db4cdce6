"""The desk of questions: what a contact asked for is judged on, and "may I?".

A permit and a dry run are judged on the same facts, and refused by the desk itself for the same reasons: what stands
between them is only that a permit is reserved and signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from msgspec import structs

from services.compliance import third_person_desk
from services.compliance.decision_desk import Decided, keep, keys_named_by, question_of, reasons
from services.compliance.domain.budget_keys import Keys
from services.compliance.domain.facts import Balance, PartyFacts
from services.compliance.domain.judged_on import DeskRefusal, JudgedOn, refused_of_debts
from services.compliance.domain.lost_devices import stays_counted
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.rulings import Earliest
from services.compliance.domain.third_persons import Ledger
from services.compliance.instruments import Instruments
from services.compliance.schemas.permits import ContactAsked, DecisionAnswer
from services.compliance.store.facts import complete_facts
from services.compliance.store.lost_devices import load_lost
from services.compliance.store.own_facts import load_own
from services.compliance.store.permits import GrantedPermit, load_answered, load_permits
from shared.database import UnitOfWork
from shared.database.session import together
from shared.ids import entity_id, shard_of


@dataclass(slots=True)
class Known:
    """What the questions of a batch are judged on, read once for all; a grant changes it for those that follow.

    `answered`: permits by the request that they answer. `old`: those that questions want to replace and may be given
    back. `ledger`: None where nobody asks a third person.
    """

    facts: dict[UUID, PartyFacts]
    named: Mapping[UUID, Keys]
    balances: Mapping[UUID, Balance]
    ledger: Ledger | None
    answered: dict[UUID, GrantedPermit]
    old: dict[UUID, Permit]

    def given(self, asked: ContactAsked) -> GrantedPermit | None:
        """The permit with which this very question was answered, if it can still be used."""
        known = self.answered.get(asked.request_id)
        if known is None or known.request_sha256 != digest_of(asked):
            return None
        usable = known.permit.state in (PermitState.GRANTED, PermitState.USED) and known.permit.revoked_real is None
        return known if usable else None

    def replaced_by(self, asked: ContactAsked) -> Permit | None:
        """The permit that it would replace."""
        return None if asked.replaces is None else self.old.get(asked.replaces)

    def judged_on(self, asked: ContactAsked, uow: UnitOfWork) -> JudgedOn:
        """What it is judged on now, with what the desk itself refuses."""
        party, replaced = self.facts[asked.party_id], self.replaced_by(asked)
        if asked.party_id in self.balances:
            party = structs.replace(party, balance=self.balances[asked.party_id])
        party = third_person_desk.known_of(asked, party, self.ledger, replaced=replaced)
        return JudgedOn(
            question=question_of(asked, uow, party), facts=party, replaces=asked.replaces,
            refused_by=self._refused_by(asked, party, replaced),
        )  # fmt: skip

    def _refused_by(self, asked: ContactAsked, party: PartyFacts, replaced: Permit | None) -> DeskRefusal | None:
        if asked.request_id in self.answered:
            return "request_reused"
        if asked.replaces is not None and not _replaceable(replaced, asked):
            return "not_replaceable"
        return refused_of_debts(asked.debt_ids or (), asked.purpose, party)


async def load_known(
    uow: UnitOfWork, instruments: Instruments, asked: Sequence[ContactAsked], balances: Mapping[UUID, Balance],
    *, taking: bool,
) -> Known:  # fmt: skip
    """Read what the questions are judged on. The parties are locked; `taking`: so are, from here on, all keys."""
    known_from = await third_person_desk.opened(uow, asked)
    named = keys_named_by(asked)
    own, answered, old = await together(
        uow.sql,
        load_own(uow, instruments.cipher, {one.party_id for one in asked}),
        load_answered(uow, instruments.cipher, [(one.party_id, one.request_id) for one in asked]),
        load_permits(uow, instruments.cipher, {one.replaces for one in asked if one.replaces is not None}),
    )
    facts = await complete_facts(uow, instruments.cipher, own, named=named, taking=taking)
    ledger = await third_person_desk.ledger_for(uow, known_from, asked)
    lost = await load_lost(uow, [permit.device_id for permit in old.values()])
    old = {permit_id: permit for permit_id, permit in old.items() if not stays_counted(permit, lost)}
    return Known(facts, named, balances, ledger, answered, old)


async def answer_questions(
    uow: UnitOfWork, instruments: Instruments, asked: Sequence[ContactAsked], balances: Mapping[UUID, Balance]
) -> list[DecisionAnswer]:
    """What a permit would be answered now, each question for itself: an allow takes nothing from the next.

    A question that a permit answers is answered as that was. The parties are locked.
    """
    known = await load_known(uow, instruments, asked, balances, taking=False)
    made = [known.given(one) or _decided(known.judged_on(one, uow), one, instruments) for one in asked]
    await keep(uow, instruments, [one for one in made if isinstance(one, Decided)])
    return [_answer(one) if isinstance(one, Decided) else _given(one.permit) for one in made]


def _decided(judged_on: JudgedOn, asked: ContactAsked, instruments: Instruments) -> Decided:
    decision_id = entity_id(shard_of(asked.party_id))
    decision = judged_on.decide(instruments.book)
    return Decided(asked=asked, judged_on=judged_on, decision=decision, decision_id=decision_id, dry_run=True)


def _answer(decided: Decided) -> DecisionAnswer:
    earliest = decided.decision.earliest or Earliest()
    return DecisionAnswer(
        request_id=decided.asked.request_id,
        decision_id=decided.decision_id,
        decision=decided.decision.answer.value,
        reasons=reasons(decided.decision),
        earliest_lawful=earliest.at,
        lawful_after=earliest.after,
    )


def _given(permit: Permit) -> DecisionAnswer:
    return DecisionAnswer(
        request_id=permit.request_id, decision_id=permit.decision_id, decision="allow", reasons=[]
    )  # fmt: skip


# What requests of before could not say: their digests know none of these.
_ADDED: Final = ("debt_ids", "contact_point", "address", "address_key")


def digest_of(asked: ContactAsked) -> bytes:
    """What makes a request the same one: everything but the versions, which grow while the asker retries.

    Of fields that were added later only what was said counts.
    """
    unsaid = {name for name in _ADDED if getattr(asked, name) is None}
    return hashlib.sha256(asked.model_dump_json(exclude={"versions", *unsaid}).encode()).digest()


def _replaceable(replaced: Permit | None, asked: ContactAsked) -> bool:
    return (
        replaced is not None
        and (replaced.party_id, replaced.channel) == (asked.party_id, asked.channel)
        and replaced.state is PermitState.GRANTED
    )
