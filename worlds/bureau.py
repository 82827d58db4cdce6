"""Compliance in memory: what the service's desks do around the pure domain, without database, topics or network.

Every decision is the domain's; here is only what a desk does before and after: look up, call, keep, append a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.compliance.domain import audit, findings, leaves
from services.compliance.domain.audited_on import Made, at_home_of_then, evidence_of, keys_of
from services.compliance.domain.budget_keys import Keys, joined, names_of
from services.compliance.domain.cutovers import ANYWHERE
from services.compliance.domain.decisions import Decision
from services.compliance.domain.dossier import Dossier
from services.compliance.domain.facts import Balance, Counted, Freshness, PartyFacts, Question
from services.compliance.domain.hindsight import Past, changes, of_use, told, use_came_late
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn, refused_of_debts
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit, PermitState, grant, recorded, release, use
from services.compliance.domain.recalls import Recall, revoked_by
from services.compliance.domain.reconsidering import comes_unreserved, outstanding, refused_now
from services.compliance.domain.rulings import Answer
from services.compliance.domain.same_persons import dossier_of, holds_of_others, made_of_others
from shared.events.contact import ContactRecorded
from worlds.kept import Case, Moment
from worlds.sharing import Sharing, keys_of_permits, points_of

_FEEDERS: Final = ("intake", "assignment", "visits", "plans")


class Bureau:
    """`on_revoked` hears of every revocation as it is published."""

    def __init__(
        self,
        book: RuleBook,
        *,
        freshness_limit: timedelta,
        draw_id: Callable[[], UUID],
        draw_bytes: Callable[[int], bytes],
        on_revoked: Callable[[Permit, Moment], None],
    ) -> None:
        self.book = book
        self.cases: dict[UUID, Case] = {}
        self.sharing = Sharing(self.cases)
        self._limit = freshness_limit
        self.draw_id = draw_id
        self._draw_bytes = draw_bytes
        self._on_revoked = on_revoked

    def open_case(self, case: Case) -> None:
        """From now on the person is known."""
        case.chain = leaves.Chain(self._draw_bytes(leaves.SALT_BYTES))
        self.cases[case.party_id] = case
        self.sharing.reach(case, names_of(case.keys()))

    def facts(self, case: Case, moment: Moment, named: Keys, *, decided: bool = True) -> PartyFacts:
        """What is known of the person but for what was told of it: an audit takes that as it stood at the contact.

        `named`: keys that the contacts asked about count on beside those of all contacts.
        `decided`: for a decision; an audit looks at contacts that were made, and asks when they were told.
        """
        shared = self.sharing.of(case, named, decided=decided)
        counted: list[Counted] = []
        if decided:
            counted = [msgspec.structs.replace(one.counted, told_real=None) for one in self.told(case)]
            everybody = (case, *(self.cases[one.party_id] for one in case.same.values() if one.stands))
            counted += [permit.reservation() for one in everybody for permit in one.permits.values() if permit.reserves]
        return PartyFacts(
            party_id=case.party_id,
            known=True,
            case_id=case.case_id,
            case_open=case.is_open,
            case_version=1,
            jurisdiction=case.place,
            zones=case.zones,
            history_known_from=case.history_known_from,
            holds=(*case.holds, *self._holds_of_others(case), *self.sharing.reaching(case)),
            debts=frozenset(case.debts) | case.debts_of_others,
            transferred=case.sold,
            counted=tuple(counted),
            keys=case.keys(),
            shared=shared.counted,
            sharers_known_from=shared.known_from,
            sharers=self.sharing.laws(case, named, at=moment.now) if decided else (),
            freshness=Freshness(watermarks=dict.fromkeys(_FEEDERS, moment.watermark)),
            balance=Balance(as_of=moment.real, overdue_minor={"XTS": 1}, digest="0"),
        )

    def ask(
        self, question: Question, moment: Moment, *, replaces: UUID | None = None
    ) -> tuple[Decision, Permit | None]:
        """Decide, and on an allow reserve and grant; an unused permit that it replaces is given back in one."""
        case = self.cases[question.party_id]
        facts = self._told(case, self.facts(case, moment, question.keys), at=moment.now)
        refused_by = refused_of_debts(question.debts or (), question.purpose, facts)
        decision = JudgedOn(question=question, facts=facts, replaces=replaces, refused_by=refused_by).decide(self.book)
        permit = self._grant(case, question, facts) if decision.answer is Answer.ALLOW else None
        if permit is not None and replaces is not None:
            case.permits[replaces] = release(case.permits[replaces], cause="replaced")
        if permit is not None:
            self.sharing.reach(case, points_of(permit.keys), known_real=moment.real, since=moment.now)
        self.leaf(case, "decision", moment, permit_id=None if permit is None else str(permit.permit_id))
        return decision, permit

    def use(self, party_id: UUID, permit_id: UUID, moment: Moment, *, contact_id: UUID, used_at: datetime) -> None:
        """The use is reported: of several the earliest is covered. Of a released permit it changes nothing here."""
        case = self.cases[party_id]
        before = case.permits.get(permit_id)
        if before is None or before.state is PermitState.RELEASED:
            return
        after = case.permits[permit_id] = use(before, contact_id=contact_id, used_at=used_at)
        if before.contact_id not in (None, contact_id):
            if after.contact_id == contact_id:
                self.judge_since(case, used_at, moment)
            self._judge_uses(case, after, before.contact_id, contact_id)

    def _judge_uses(self, case: Case, permit: Permit, *contact_ids: UUID | None) -> None:
        known = [(one, case.findings.get(one, {}).get(audit.REUSED)) for one in contact_ids if one is not None]
        changed = [of_use(permit, contact_id, standing) for contact_id, standing in known]
        self._keep(case, [one for one in changed if one is not None])

    def give_back(self, party_id: UUID, permit_id: UUID, moment: Moment, *, cause: str) -> None:
        """The holder gives an unused permit back. Raises PermitNotReleasable."""
        case = self.cases[party_id]
        case.permits[permit_id] = release(case.permits[permit_id], cause=cause)
        self.leaf(case, "release", moment, permit_id=str(permit_id))

    def turn(self, book: RuleBook, moment: Moment) -> None:
        """Other rules, or another date of theirs: outstanding permits are judged again."""
        self.book = book
        for case in self.cases.values():
            self.reconsider(case, moment, arrived=moment.real)

    def audit(self, contact: ContactRecorded, moment: Moment, *, reached: datetime, use_came_first: bool) -> None:
        """Judge a contact once, count it, judge those after it and the outstanding permits again."""
        case = self.cases[contact.party_id]
        if contact.contact_id in case.judged:
            return
        permit = None if contact.permit_id is None else case.permits.get(contact.permit_id)
        standing = tuple(case.findings.get(contact.contact_id, {}).values())
        homes = self.sharing.homes(case) if permit is None else {}
        named: Keys = {"household": frozenset(homes)} if permit is None else permit.keys
        evidence = evidence_of(
            contact,
            permit=permit,
            party=at_home_of_then(self.facts(case, moment, named, decided=False), contact, permit, homes),
            dossier=self.dossier(case),
            places=case.places,
            sharers=self.sharing.past(case, named),
            others=self.told(case),
            freshness_limit=self._limit,
            use_came_late=use_came_first and use_came_late(contact.contact_id, permit, standing),
        )
        found = audit.judge_contact(contact, evidence, self.book)
        case.judged[contact.contact_id] = contact
        counted = case.made[contact.contact_id] = audit.counted(
            contact, evidence.as_it_began.zones, told_real=moment.real, keys=keys_of(contact, permit, evidence.facts)
        )
        self._keep(case, told(contact, found, standing))
        case.judge(contact.contact_id)
        taken_over = None
        if permit is not None and permit.state is not PermitState.RELEASED:
            taken_over = recorded(permit, contact_id=contact.contact_id, used_at=contact.started_at)
            case.permits[permit.permit_id] = taken_over
        self.leaf(case, "contact", moment, contact_id=str(contact.contact_id), verdict=audit.verdict(found))
        self.judge_since(case, contact.started_at, moment, but=contact.contact_id)
        if permit is not None and taken_over is not None and taken_over.contact_id != permit.contact_id:
            self._judge_uses(case, taken_over, permit.contact_id)
        self.reconsider(case, moment, arrived=reached)
        others = {other.party_id: other for other in self.sharing.reached_on(counted.keys, case)}
        for other in (others | {one: self.cases[one] for one in case.same}).values():
            self.judge_since(other, contact.started_at, moment)
            if comes_unreserved(counted, permit):
                self.reconsider(other, moment, arrived=reached)

    def take_over(self, contact: ContactRecorded, moment: Moment) -> None:
        """A contact of before a cut-over counts from now on, wherever it was made; nobody judges it."""
        case = self.cases[contact.party_id]
        one = audit.counted(contact, ANYWHERE, told_real=moment.real)
        case.made[contact.contact_id] = one
        case.said[contact.contact_id] = Made(contact_id=contact.contact_id, counted=one).judged(
            conduct=True, harm=False
        )
        self.leaf(case, "contact", moment, contact_id=str(contact.contact_id), verdict="imported")

    def told(self, case: Case) -> list[Made]:
        """The contacts told of the person so far, under whichever id of theirs."""
        if not case.same:
            return case.told()
        others = {one: self.cases[one].told() for one in case.same}
        return sorted([*case.told(), *made_of_others(case.same.values(), others)], key=lambda one: one.order)

    def _holds_of_others(self, case: Case) -> list[Hold]:
        return holds_of_others(case.same.values(), {one: self.cases[one].holds for one in case.same})

    def dossier(self, case: Case) -> Dossier:
        """What was told of the person, and what the person said under other ids."""
        if not case.same:
            return case.dossier()
        return dossier_of(case.dossier(), case.same.values(), {one: self.cases[one].dossier() for one in case.same})

    def _told(self, case: Case, facts: PartyFacts, *, at: datetime) -> PartyFacts:
        return self.dossier(case).applied_to(facts, at=at)

    def _grant(self, case: Case, question: Question, facts: PartyFacts) -> Permit:
        permit = grant(
            question,
            facts,
            permit_id=self.draw_id(),
            decision_id=self.draw_id(),
            request_id=self.draw_id(),
            case_id=case.case_id,
            tenant="bank",
            rule_set=self.book.rule_set,
        )
        case.permits[permit.permit_id] = permit
        return permit

    def recall(self, case: Case, recalls: list[Recall], moment: Moment) -> None:
        """Revoke the permits that these facts forbid."""
        active = [permit for permit in case.permits.values() if permit.reserves]
        for permit, cause in revoked_by(recalls, active, now=moment.now, real_now=moment.real):
            case.permits[permit.permit_id] = permit
            self.leaf(case, "revocation", moment, permit_id=str(permit.permit_id), cause=cause.cause)
            self._on_revoked(permit, moment)

    def reconsider(self, case: Case, moment: Moment, *, arrived: datetime) -> None:
        """Judge the outstanding permits again."""
        active = [permit for permit in case.permits.values() if permit.reserves]
        judged = {permit.permit_id for permit in active if outstanding(permit, now=moment.now)}
        if not judged:
            return
        named = keys_of_permits(active)
        facts = self._told(case, self.facts(case, moment, named), at=moment.now)
        recalls = [
            Recall(
                party_id=case.party_id,
                cause=ruling.rule.id,
                citation=ruling.rule.citation,
                fact_arrived_real=arrived,
                permit_ids=frozenset({permit.permit_id}),
            )
            for permit, ruling in refused_now(
                active,
                facts,
                self.book,
                now=moment.now,
                real_now=moment.real,
                others=self.sharing.permits(case, named),
            )
            if permit.permit_id in judged
        ]
        self.recall(case, recalls, moment)

    def judge_since(self, case: Case, since: datetime, moment: Moment, *, but: UUID | None = None) -> None:
        """Judge the contacts again that were made since (business time)."""
        later = [one for one in case.judged.values() if one.started_at >= since and one.contact_id != but]
        if not later:
            return
        permits = [case.permits[one.permit_id] for one in later if one.permit_id in case.permits]
        named = joined(keys_of_permits(permits), *(case.made[one.contact_id].keys for one in later))
        past = Past(
            party=self.facts(case, moment, named, decided=False), dossier=self.dossier(case), places=case.places,
            made=self.told(case), permits=case.permits, sharers=self.sharing.past(case, named),
        )  # fmt: skip
        standing = {contact_id: tuple(found.values()) for contact_id, found in case.findings.items()}
        self._keep(case, changes(past, later, standing, self.book, freshness_limit=self._limit))

    def _keep(self, case: Case, versions: Iterable[findings.FindingVersion]) -> None:
        for version in versions:
            if version.contact_id is not None:
                case.findings.setdefault(version.contact_id, {})[version.finding.rule] = version
                if version.contact_id in case.made:
                    case.judge(version.contact_id)

    def leaf(self, case: Case, kind: leaves.LeafKind, moment: Moment, **public: str | None) -> None:
        """Append to the person's chain."""
        leaf = leaves.NewLeaf(
            kind=kind,
            leaf_id=self.draw_id(),
            party_id=case.party_id,
            occurred_at=moment.now,
            recorded_at=moment.real,
            public=public,
        )
        built = leaves.build(leaf, case.chain, self._draw_bytes)
        case.chain = built.chain
        case.leaves.append(built.content)
