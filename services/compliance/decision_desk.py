"""The desk of decisions: the question as the rules see it; each decision kept and proved, whoever made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.compliance import fact_desk
from services.compliance.domain.budget_keys import Keys, joined, key_of_home, keys_about
from services.compliance.domain.canonical import Json
from services.compliance.domain.decisions import Decision
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.hold_scopes import debts_asked
from services.compliance.domain.judged_on import JudgedOn, packed
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.local_time import Span
from services.compliance.domain.rule_records import Key
from services.compliance.domain.rulings import Earliest
from services.compliance.domain.third_persons import INQUIRY
from services.compliance.instruments import Instruments
from services.compliance.schemas.permits import ContactAsked, Reason, WindowsItem
from services.compliance.store.audits import SEALED_FACTS, DecisionRow, insert_decisions
from services.compliance.store.fact_tasks import load_open
from services.compliance.store.leaves import append_leaves, load_chains
from services.compliance.store.sealed import DECISION, plain_record
from shared.database import UnitOfWork
from shared.database.session import together
from shared.ids import event_id
from shared.security.party_keys import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A contact that was decided on. `permit_id`: what allows it now. `dry_run`: somebody only asked."""

    asked: ContactAsked
    judged_on: JudgedOn
    decision: Decision
    decision_id: UUID
    permit_id: UUID | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a decision: its row, its leaf and, packed, what it was judged on."""

    row: DecisionRow
    leaf: NewLeaf
    judged_on: str


def debts_of(asked: WindowsItem | ContactAsked, facts: PartyFacts) -> frozenset[UUID] | None:
    """The debts that it is about; None: all of the person's."""
    return debts_asked(None if asked.debt_ids is None else frozenset(asked.debt_ids), facts.debts)


def keys_named_by(asked: Sequence[ContactAsked]) -> dict[UUID, Keys]:
    """What the contacts count on by themselves, by party: contact points and addresses, and the debts they are about.

    A third person's contact point is among them: it is locked, too.
    """
    found: dict[UUID, Keys] = {}
    for one in asked:
        named: Keys = {
            "debt": frozenset(map(str, one.debt_ids or ())),
            "contact_point": frozenset() if one.contact_point is None else frozenset({one.contact_point}),
        }
        found[one.party_id] = joined(found.get(one.party_id, {}), _named_by(one), named)
    return found


def _named_by(asked: ContactAsked) -> Keys:
    # Of an inquiry it is a third person's, and counted in the ledger.
    point = None if asked.channel == INQUIRY else asked.contact_point
    home = None if asked.address_key is None else key_of_home(asked.address_key)
    named: dict[Key, set[str | None]] = {"contact_point": {point}, "address": {asked.address, home}}
    return joined({kind: frozenset(one for one in values if one is not None) for kind, values in named.items()})


def question_of(asked: ContactAsked, uow: UnitOfWork, facts: PartyFacts) -> Question:
    """The contact as the rules see it."""
    return Question(
        party_id=asked.party_id,
        case_id=asked.case_id,
        subject_id=asked.subject_id,
        channel=asked.channel,
        purpose=asked.purpose,
        jurisdiction=asked.jurisdiction,
        zones=tuple(asked.time_zones),
        span=Span(asked.window.start, asked.window.end),
        duration=timedelta(minutes=asked.duration_minutes),
        crew=tuple(asked.crew),
        device_id=asked.device_id,
        place_cell=asked.place_cell,
        debts=debts_of(asked, facts),
        keys=joined(keys_about(debts_of(asked, facts), facts.keys), _named_by(asked)),
        versions={str(kind): version for kind, version in asked.versions.items()},
        now=uow.now,
        real_now=uow.real_now,
    )


def _kept(uow: UnitOfWork, instruments: Instruments, decided: Decided) -> _Kept:
    """The decision's record, hashed, the leaf that proves it, and what it was judged on."""
    asked, judged_on, decision, decision_id = decided.asked, decided.judged_on, decided.decision, decided.decision_id
    permit_id, dry_run = decided.permit_id, decided.dry_run
    request: dict[str, Json] = asked.model_dump(mode="json")
    facts = judged_on.encoded()
    content = judged_on.record(decision, facts, book=instruments.book, decision_id=decision_id, request=request)
    refused_by = tuple(ruling.rule.id for ruling in decision.refusals)
    leaf = NewLeaf(
        kind="decision",
        leaf_id=event_id(),
        party_id=asked.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "decision_id": str(decision_id),
            # Later contacts name the permit: a verifier finds this leaf by it and asks who had witnessed it by then.
            "permit_id": None if permit_id is None else str(permit_id),
            # From here on every change of this permit is a leaf: its state can be worked out from them.
            **({} if permit_id is None else {"life_in_leaves": True}),
            "answer": decision.answer.value,
            "channel": asked.channel,
            "purpose": asked.purpose,
            "refused_by": list(refused_by),
            "rule_set": instruments.book.rule_set,
            **({"dry_run": True} if dry_run else {}),
        },
        committed={"record": content, "place": (asked.place_cell or "").encode()},
        kept_elsewhere=frozenset({"record"}),
    )
    row = DecisionRow(
        party_id=asked.party_id,
        decision_id=decision_id,
        request_id=asked.request_id,
        answer=decision.answer,
        channel=asked.channel,
        purpose=asked.purpose,
        refused_by=refused_by,
        record=content,
        record_sha256=hashlib.sha256(content).digest(),
        leaf_id=leaf.leaf_id,
        dry_run=dry_run,
    )
    return _Kept(row, leaf, packed(facts))


async def keep(uow: UnitOfWork, instruments: Instruments, decided: Sequence[Decided]) -> None:
    """Append the decisions and their leaves; what they could not know becomes somebody's task."""
    # Written once all are decided: taking turns, deciding and writing push each other out of the processor's caches.
    made = [_kept(uow, instruments, one) for one in decided]
    chains, tasks = await together(
        uow.sql,
        load_chains(uow, instruments.cipher, {one.asked.party_id for one in decided}),
        load_open(uow, {one.asked.party_id for one in decided}),
    )
    await instruments.frames.keep(uow, [frame for one in decided if (frame := one.decision.frame) is not None])
    plain = [plain_record(one.row.party_id, DECISION, one.row.record) for one in made]
    plain += [Plain(one.row.party_id, SEALED_FACTS, one.judged_on) for one in made]
    sealed = await instruments.cipher.seal_many(uow, plain)
    rows = [one.row for one in made]
    await insert_decisions(uow, rows, sealed_records=sealed[: len(rows)], sealed_facts=sealed[len(rows) :])
    await append_leaves(uow, instruments.cipher, [one.leaf for one in made], chains=chains)
    await fact_desk.follow(uow, [(one.asked.party_id, one.decision) for one in decided], tasks)


def reasons(decision: Decision) -> list[Reason]:
    """The refusing rules as the API shows them."""
    return [reason(ruling.document(), ruling.earliest) for ruling in decision.refusals]


def reason(ruling_document: Mapping[str, Json], earliest: Earliest) -> Reason:
    """A refusing rule as the API shows it."""
    return Reason.model_validate(
        {
            "rule": ruling_document["rule"],
            "citation": ruling_document["citation"],
            "detail": ruling_document["detail"],
            "values": ruling_document["values"],
            "override": ruling_document.get("override"),
            "earliest_lawful": earliest.at,
            "lawful_after": earliest.after,
        }
    )
