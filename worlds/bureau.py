"""Compliance in memory: what the service's desks do around the pure domain, without database, topics or network.

Every decision is the domain's; here is only what a desk does before and after: look up, call, keep, append a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.compliance.domain import audit, findings, leaves
from services.compliance.domain.audited_on import Made, evidence_of, keys_of
from services.compliance.domain.budget_keys import Keys
from services.compliance.domain.complaints import Complaint, Step, clock_of, take_step
from services.compliance.domain.cutovers import ANYWHERE
from services.compliance.domain.decisions import Decision, decide
from services.compliance.domain.dossier import DossierEntry, DossierName, FactValue, GivenOverride
from services.compliance.domain.facts import Balance, Counted, Freshness, Inconvenient, Override, PartyFacts, Question
from services.compliance.domain.hindsight import Past, changes, of_use, told, use_came_late
from services.compliance.domain.holds import Hold, HoldKind, HoldScope, end_by, ended, lawful_end, same_source
from services.compliance.domain.local_time import Span
from services.compliance.domain.moratoria import debts_under
from services.compliance.domain.overrides import passable
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit, PermitState, grant, recorded, release, use
from services.compliance.domain.places import Place
from services.compliance.domain.preferences import Hours, Wish, inconvenient_of
from services.compliance.domain.recalls import Recall, recall_of, revoked_by
from services.compliance.domain.reconsidering import comes_unreserved, outstanding, refused_now
from services.compliance.domain.rule_records import Overriding
from services.compliance.domain.rulings import Answer
from shared.events.contact import Channel, ContactRecorded
from worlds.kept import Case, Moment
from worlds.sharing import Sharing

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
        self._sharing = Sharing(self.cases)
        self._limit = freshness_limit
        self._draw_id = draw_id
        self._draw_bytes = draw_bytes
        self._on_revoked = on_revoked

    def open_case(self, case: Case) -> None:
        """From now on the person is known."""
        case.chain = leaves.Chain(self._draw_bytes(leaves.SALT_BYTES))
        self.cases[case.party_id] = case

    def keys(self, case: Case) -> Keys:
        """What every contact with the person counts on beside the person."""
        return self._sharing.keys(case)

    def facts(self, case: Case, moment: Moment, *, decided: bool = True) -> PartyFacts:
        """What is known of the person but for what was told of it: an audit takes that as it stood at the contact.

        `decided`: for a decision; an audit looks at contacts that were made, and asks when they were told.
        """
        shared = self._sharing.of(case, decided=decided)
        counted: list[Counted] = []
        if decided:
            counted = [msgspec.structs.replace(one.counted, told_real=None) for one in case.told()]
            counted += [permit.reservation() for permit in case.permits.values() if permit.reserves]
        return PartyFacts(
            party_id=case.party_id,
            known=True,
            case_id=case.case_id,
            case_open=case.is_open,
            case_version=1,
            jurisdiction=case.place,
            zones=case.zones,
            history_known_from=case.history_known_from,
            holds=(*case.holds, *self._sharing.reaching(case)),
            debts=frozenset(case.debts),
            counted=tuple(counted),
            keys=self.keys(case),
            shared=shared.counted,
            sharers_known_from=shared.known_from,
            sharers=self._sharing.laws(case, at=moment.now) if decided else (),
            freshness=Freshness(watermarks=dict.fromkeys(_FEEDERS, moment.watermark)),
            balance=Balance(as_of=moment.real, overdue_minor={"XTS": 1}, digest="0"),
        )

    def ask(
        self, question: Question, moment: Moment, *, replaces: UUID | None = None
    ) -> tuple[Decision, Permit | None]:
        """Decide, and on an allow reserve and grant; an unused permit that it replaces is given back in one."""
        case = self.cases[question.party_id]
        facts = self._told(case, self.facts(case, moment), at=moment.now)
        decision = decide(question, facts.without(replaces), self.book)
        permit = self._grant(case, question, facts) if decision.answer is Answer.ALLOW else None
        if permit is not None and replaces is not None:
            case.permits[replaces] = release(case.permits[replaces], cause="replaced")
        self._leaf(case, "decision", moment, permit_id=None if permit is None else str(permit.permit_id))
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
                self._judge_since(case, used_at, moment)
            self._judge_uses(case, after, before.contact_id, contact_id)

    def _judge_uses(self, case: Case, permit: Permit, *contact_ids: UUID | None) -> None:
        known = [(one, case.findings.get(one, {}).get(audit.REUSED)) for one in contact_ids if one is not None]
        changed = [of_use(permit, contact_id, standing) for contact_id, standing in known]
        self._keep(case, [one for one in changed if one is not None])

    def give_back(self, party_id: UUID, permit_id: UUID, moment: Moment, *, cause: str) -> None:
        """The holder gives an unused permit back. Raises PermitNotReleasable."""
        case = self.cases[party_id]
        case.permits[permit_id] = release(case.permits[permit_id], cause=cause)
        self._leaf(case, "release", moment, permit_id=str(permit_id))

    def place(
        self, case: Case, moment: Moment, *, kind: HoldKind, scope: HoldScope, source: str, since: datetime,
        until: datetime | None, reached: datetime, scope_key: str = "",
    ) -> None:  # fmt: skip
        """A hold: recalls what it forbids and is held against the contacts made while it stood already."""
        if same_source(case.holds, kind=kind, scope=scope, scope_key=scope_key, source_ref=source) is not None:
            return
        hold = Hold(
            hold_id=self._draw_id(),
            party_id=case.party_id,
            kind=kind,
            scope=scope,
            scope_key=scope_key,
            valid_from=since,
            valid_to=lawful_end(kind, valid_from=since, valid_to=until),
            source_ref=source,
            recorded_real=moment.real,
        )
        case.holds.append(hold)
        self._leaf(case, "hold", moment, hold_id=str(hold.hold_id))
        self._recall(case, [recall_of(hold, self.book, fact_arrived_real=reached)], moment)
        if hold.valid_from < moment.now:
            self._judge_since(case, hold.valid_from, moment)
        self._carry(hold, moment, reached=reached)

    def _carry(self, hold: Hold, moment: Moment, *, reached: datetime) -> None:
        """A moratorium recalls the permits of everyone jointly liable, and is held against contacts with them."""
        if not debts_under(hold, self._sharing.debts()):
            return
        for case in self.cases.values():
            for one in (one for one in self._sharing.reaching(case) if one.hold_id == hold.hold_id):
                self._recall(case, [recall_of(one, self.book, fact_arrived_real=reached)], moment)
                if one.valid_from < moment.now:
                    self._judge_since(case, one.valid_from, moment)

    def end(self, case: Case, moment: Moment, *, source: str, by_whom: str) -> None:
        """A person says that the hold is over. Raises what `end_by` raises."""
        for place, hold in enumerate(case.holds):
            if hold.source_ref == source:
                case.holds[place] = end_by(hold, by_whom, evidence="document", at=moment.now)
                self._leaf(case, "hold_end", moment, hold_id=str(hold.hold_id))

    def complain(self, case: Case, moment: Moment, *, reference: str, since: datetime, reached: datetime) -> str:
        """A complaint freezes contact; returns the source of its hold."""
        complaint = case.complaints.get(reference)
        if complaint is None:
            complaint = Complaint(
                complaint_id=self._draw_id(),
                version=1,
                party_id=case.party_id,
                channel="letter",
                about=frozenset(),
                received_at=since,
                clock=clock_of(self.book, jurisdiction=case.place, received_at=since),
                by_whom="anybody",
            )
            case.complaints[reference] = complaint
            self._leaf(case, "complaint", moment, complaint_id=str(complaint.complaint_id))
        self.place(
            case,
            moment,
            kind="complaint",
            scope="party",
            source=complaint.hold_source,
            since=since,
            until=None,
            reached=reached,
        )
        return complaint.hold_source

    def step(self, case: Case, moment: Moment, *, reference: str, step: Step, by_whom: str) -> None:
        """A step of the complaint desk; closing ends its hold. Raises what `take_step` raises."""
        after = take_step(case.complaints[reference], step, by_whom=by_whom, words=None, reference=None)
        case.complaints[reference] = after
        self._leaf(case, "complaint", moment, complaint_id=str(after.complaint_id))
        if step == "close":
            for place, hold in enumerate(case.holds):
                if hold.source_ref == after.hold_source and hold.ended_at is None:
                    case.holds[place] = ended(hold, at=moment.now)
                    self._leaf(case, "hold_end", moment, hold_id=str(hold.hold_id))

    def cure(self, case: Case, moment: Moment, *, reached: datetime) -> None:
        """The debt is paid: nothing is collected any more."""
        case.is_open = False
        self._recall(case, [Recall(party_id=case.party_id, cause="cured", fact_arrived_real=reached)], moment)

    def reopen(self, case: Case) -> None:
        """Overdue again."""
        case.is_open = True

    def move(
        self, case: Case, moment: Moment, *, place: str, zones: tuple[str, ...], collector: str, since: datetime,
        reached: datetime,
    ) -> None:  # fmt: skip
        """The person lives elsewhere: permits were granted for the hours and the law of where they lived before."""
        case.place, case.zones = place, zones
        case.places.append(
            Place(party_id=case.party_id, since=since, recorded_real=moment.real, jurisdiction=place, zones=zones)
        )
        case.entries.append(
            DossierEntry(
                party_id=case.party_id, name="collector", value=collector, as_of=since, recorded_real=moment.real,
                owner="bank",
            )
        )  # fmt: skip
        moved = Recall(party_id=case.party_id, cause="facts_changed", fact_arrived_real=reached, contacts=None)
        self._recall(case, [moved], moment)
        self._reconsider(case, moment, arrived=reached)
        self._judge_since(case, since, moment)
        for other in self._sharing.sharers(case):  # the caps of another law are kept from now on
            self._judge_since(other, since, moment)
            self._reconsider(other, moment, arrived=reached)

    def wish(
        self, case: Case, moment: Moment, *, channel: Channel, hours: Hours, since: datetime, reached: datetime
    ) -> None:
        """What the person calls inconvenient, in the place of what was; permits against it are revoked."""
        value = inconvenient_of([Wish(wish="never", channels=frozenset({channel}), hours=hours)])
        self.tell(case, moment, name="preferences", value=value, since=since, reached=reached)

    def tell(
        self, case: Case, moment: Moment, *, name: DossierName, value: FactValue | tuple[Inconvenient, ...],
        since: datetime, reached: datetime,
    ) -> None:  # fmt: skip
        """Something is told of the person, and held against permits and contacts since then."""
        case.entries.append(
            DossierEntry(
                party_id=case.party_id, name=name, value=value, as_of=since, recorded_real=moment.real, owner="bank"
            )
        )  # fmt: skip
        self._leaf(case, "told", moment, name=name)
        self._reconsider(case, moment, arrived=reached)
        self._judge_since(case, since, moment)

    def request(self, case: Case, moment: Moment, *, channel: Channel) -> None:
        """The person's own request to be contacted."""
        case.entries.append(
            DossierEntry(
                party_id=case.party_id, name="customer_request", value=frozenset({channel}), as_of=moment.now,
                recorded_real=moment.real, owner="bank",
            )
        )  # fmt: skip
        self._leaf(case, "told", moment, name="customer_request")

    def allow_exception(
        self, case: Case, moment: Moment, *, rule: str, by: Overriding, valid: Span, hours: tuple[time, time] | None
    ) -> None:
        """The person's consent or a supervisor's leave to pass one rule. Raises what `passable` raises."""
        span = passable(self.book, rule_id=rule, by=by, valid=valid, hours=hours is not None, now=moment.now)
        opens, closes = hours or (None, None)
        override_id = self._draw_id()
        override = Override(by=by, evidence=override_id, valid=span, opens=opens, closes=closes)
        case.overrides.append(
            GivenOverride(
                override_id=override_id,
                party_id=case.party_id,
                rule=rule,
                override=override,
                recorded_real=moment.real,
            )
        )
        self._leaf(case, "override", moment, rule=rule)

    def turn(self, book: RuleBook, moment: Moment) -> None:
        """Other rules, or another date of theirs: outstanding permits are judged again."""
        self.book = book
        for case in self.cases.values():
            self._reconsider(case, moment, arrived=moment.real)

    def audit(self, contact: ContactRecorded, moment: Moment, *, reached: datetime, use_came_first: bool) -> None:
        """Judge a contact once, count it, judge those after it and the outstanding permits again."""
        case = self.cases[contact.party_id]
        if contact.contact_id in case.judged:
            return
        permit = None if contact.permit_id is None else case.permits.get(contact.permit_id)
        standing = tuple(case.findings.get(contact.contact_id, {}).values())
        evidence = evidence_of(
            contact,
            permit=permit,
            party=self.facts(case, moment, decided=False),
            dossier=case.dossier(),
            places=case.places,
            sharers=self._sharing.past(case),
            others=case.told(),
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
        self._leaf(case, "contact", moment, contact_id=str(contact.contact_id), verdict=audit.verdict(found))
        self._judge_since(case, contact.started_at, moment, but=contact.contact_id)
        if permit is not None and taken_over is not None and taken_over.contact_id != permit.contact_id:
            self._judge_uses(case, taken_over, permit.contact_id)
        self._reconsider(case, moment, arrived=reached)
        for other in self._sharing.sharers(case):
            self._judge_since(other, contact.started_at, moment)
            if comes_unreserved(counted, permit):
                self._reconsider(other, moment, arrived=reached)

    def take_over(self, contact: ContactRecorded, moment: Moment) -> None:
        """A contact of before a cut-over counts from now on, wherever it was made; nobody judges it."""
        case = self.cases[contact.party_id]
        one = audit.counted(contact, ANYWHERE, told_real=moment.real)
        case.made[contact.contact_id] = one
        case.said[contact.contact_id] = Made(contact_id=contact.contact_id, counted=one).judged(
            conduct=True, harm=False
        )
        self._leaf(case, "contact", moment, contact_id=str(contact.contact_id), verdict="imported")

    def _told(self, case: Case, facts: PartyFacts, *, at: datetime) -> PartyFacts:
        return case.dossier().applied_to(facts, at=at)

    def _grant(self, case: Case, question: Question, facts: PartyFacts) -> Permit:
        permit = grant(
            question,
            facts,
            permit_id=self._draw_id(),
            decision_id=self._draw_id(),
            request_id=self._draw_id(),
            case_id=case.case_id,
            tenant="bank",
            rule_set=self.book.rule_set,
        )
        case.permits[permit.permit_id] = permit
        return permit

    def _recall(self, case: Case, recalls: list[Recall], moment: Moment) -> None:
        active = [permit for permit in case.permits.values() if permit.reserves]
        for permit, cause in revoked_by(recalls, active, now=moment.now, real_now=moment.real):
            case.permits[permit.permit_id] = permit
            self._leaf(case, "revocation", moment, permit_id=str(permit.permit_id), cause=cause.cause)
            self._on_revoked(permit, moment)

    def _reconsider(self, case: Case, moment: Moment, *, arrived: datetime) -> None:
        active = [permit for permit in case.permits.values() if permit.reserves]
        judged = {permit.permit_id for permit in active if outstanding(permit, now=moment.now)}
        if not judged:
            return
        facts = self._told(case, self.facts(case, moment), at=moment.now)
        recalls = [
            Recall(
                party_id=case.party_id,
                cause=ruling.rule.id,
                citation=ruling.rule.citation,
                fact_arrived_real=arrived,
                permit_ids=frozenset({permit.permit_id}),
            )
            for permit, ruling in refused_now(
                active, facts, self.book, now=moment.now, real_now=moment.real, others=self._sharing.permits(case)
            )
            if permit.permit_id in judged
        ]
        self._recall(case, recalls, moment)

    def _judge_since(self, case: Case, since: datetime, moment: Moment, *, but: UUID | None = None) -> None:
        later = [one for one in case.judged.values() if one.started_at >= since and one.contact_id != but]
        if not later:
            return
        past = Past(
            party=self.facts(case, moment, decided=False), dossier=case.dossier(), places=case.places, made=case.told(),
            permits=case.permits, sharers=self._sharing.past(case),
        )  # fmt: skip
        standing = {contact_id: tuple(found.values()) for contact_id, found in case.findings.items()}
        self._keep(case, changes(past, later, standing, self.book, freshness_limit=self._limit))

    def _keep(self, case: Case, versions: Iterable[findings.FindingVersion]) -> None:
        for version in versions:
            if version.contact_id is not None:
                case.findings.setdefault(version.contact_id, {})[version.finding.rule] = version
                if version.contact_id in case.made:
                    case.judge(version.contact_id)

    def _leaf(self, case: Case, kind: leaves.LeafKind, moment: Moment, **public: str | None) -> None:
        leaf = leaves.NewLeaf(
            kind=kind,
            leaf_id=self._draw_id(),
            party_id=case.party_id,
            occurred_at=moment.now,
            recorded_at=moment.real,
            public=public,
        )
        built = leaves.build(leaf, case.chain, self._draw_bytes)
        case.chain = built.chain
        case.leaves.append(built.content)
