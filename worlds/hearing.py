"""What compliance hears of people in memory: holds, complaints, cures, moves and words, and what each of them does.

Like the bureau it decides nothing: it calls the domain, keeps, and appends a leaf.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from services.compliance.domain.budget_keys import names_of
from services.compliance.domain.complaints import Complaint, Step, clock_of, take_step
from services.compliance.domain.dossier import DossierEntry, DossierName, FactValue, GivenOverride
from services.compliance.domain.facts import Inconvenient, Override
from services.compliance.domain.holds import Hold, HoldKind, HoldScope, end_by, ended, lawful_end, same_source
from services.compliance.domain.local_time import Span
from services.compliance.domain.moratoria import debts_under
from services.compliance.domain.overrides import passable
from services.compliance.domain.places import Place
from services.compliance.domain.preferences import Hours, Wish, inconvenient_of
from services.compliance.domain.recalls import VISITS, Recall, recall_of
from services.compliance.domain.rule_records import Overriding
from services.compliance.domain.same_persons import SamePerson
from shared.events.contact import Channel
from worlds.bureau import Bureau
from worlds.kept import Case, Moment

_ALL_CONTACTS: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Hearing:
    """What is told goes to the bureau's permits and contacts."""

    def __init__(self, bureau: Bureau) -> None:
        self._bureau = bureau
        self._sharing = bureau.sharing
        self._draw_id = bureau.draw_id

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
        self._bureau.leaf(case, "hold", moment, hold_id=str(hold.hold_id))
        self._bureau.recall(case, [recall_of(hold, self._bureau.book, fact_arrived_real=reached)], moment)
        if hold.valid_from < moment.now:
            self._bureau.judge_since(case, hold.valid_from, moment)
        self._carry(hold, moment, reached=reached)
        self._look_at_other_ids(case, moment, since=hold.valid_from, reached=reached)

    def _carry(self, hold: Hold, moment: Moment, *, reached: datetime) -> None:
        """A moratorium recalls the permits of everyone jointly liable, and is held against contacts with them."""
        if not debts_under(hold, self._sharing.debts()):
            return
        for case in self._bureau.cases.values():
            for one in (one for one in self._sharing.reaching(case) if one.hold_id == hold.hold_id):
                self._bureau.recall(case, [recall_of(one, self._bureau.book, fact_arrived_real=reached)], moment)
                if one.valid_from < moment.now:
                    self._bureau.judge_since(case, one.valid_from, moment)

    def end(self, case: Case, moment: Moment, *, source: str, by_whom: str) -> None:
        """A person says that the hold is over. Raises what `end_by` raises."""
        for place, hold in enumerate(case.holds):
            if hold.source_ref == source:
                case.holds[place] = end_by(hold, by_whom, evidence="document", at=moment.now)
                self._bureau.leaf(case, "hold_end", moment, hold_id=str(hold.hold_id))

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
                clock=clock_of(self._bureau.book, jurisdiction=case.place, received_at=since),
                by_whom="anybody",
            )
            case.complaints[reference] = complaint
            self._bureau.leaf(case, "complaint", moment, complaint_id=str(complaint.complaint_id))
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
        self._bureau.leaf(case, "complaint", moment, complaint_id=str(after.complaint_id))
        if step == "close":
            for place, hold in enumerate(case.holds):
                if hold.source_ref == after.hold_source and hold.ended_at is None:
                    case.holds[place] = ended(hold, at=moment.now)
                    self._bureau.leaf(case, "hold_end", moment, hold_id=str(hold.hold_id))

    def cure(self, case: Case, moment: Moment, *, reached: datetime) -> None:
        """The debt is paid: nothing is collected any more."""
        case.is_open = False
        self._bureau.recall(case, [Recall(party_id=case.party_id, cause="cured", fact_arrived_real=reached)], moment)

    def reopen(self, case: Case) -> None:
        """Overdue again; nothing that was sold is."""
        case.is_open = not case.sold.issuperset(case.debts)

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
        self._bureau.recall(case, [moved], moment)
        self._bureau.judge_since(case, since, moment)
        self._look_at_sharers(case, moment, since=since, reached=reached)

    def resettle(self, case: Case, moment: Moment, *, home: str, since: datetime, reached: datetime) -> None:
        """The person lives in another home under the same law: whoever lives in the one before is not visited."""
        case.lives_in(home)
        key = names_of({"household": frozenset({home})})
        self._sharing.reach(case, key, known_real=moment.real, since=since)
        self._sharing.forget()
        left = Recall(party_id=case.party_id, cause="facts_changed", fact_arrived_real=reached, contacts=VISITS)
        self._bureau.recall(case, [left], moment)
        self._look_at_sharers(case, moment, since=since, reached=reached)

    def merge(self, survivor: Case, merged: Case, moment: Moment, *, reached: datetime) -> None:
        """The two are one person: one case, attested since when both are. What was granted to either dies."""
        survivor.history_known_from = max(survivor.history_known_from, merged.history_known_from)
        merged.is_open = False
        for case, other in ((survivor, merged), (merged, survivor)):
            case.is_one_with(SamePerson(other.party_id, True, reached, None), other.debts)
        self._follow_identity(survivor, merged, moment, said="merged", reached=reached)

    def part(self, survivor: Case, merged: Case, moment: Moment, *, attested: date, reached: datetime) -> None:
        """They are two people after all. `attested`: since when the survivor's own contacts are."""
        survivor.history_known_from = attested
        merged.is_open = True
        for case, other in ((survivor, merged), (merged, survivor)):
            since = case.same[other.party_id].since_real
            case.is_one_with(SamePerson(other.party_id, False, since, reached), ())
        self._follow_identity(survivor, merged, moment, said="unmerged", reached=reached)

    def _follow_identity(self, survivor: Case, merged: Case, moment: Moment, *, said: str, reached: datetime) -> None:
        for case in (survivor, merged):
            key = names_of({"person": case.keys()["person"]})
            self._sharing.reach(case, key, known_real=moment.real)
            self._bureau.leaf(case, "identity", moment, said=said)
        self._sharing.forget()
        for case in (survivor, merged):
            identity = Recall(party_id=case.party_id, cause="identity", fact_arrived_real=reached, contacts=None)
            self._bureau.recall(case, [identity], moment)
        for case in (survivor, merged):
            self._look_again(case, moment, since=_ALL_CONTACTS, reached=reached)

    def _look_at_other_ids(self, case: Case, moment: Moment, *, since: datetime, reached: datetime) -> None:
        for other in (self._bureau.cases[one.party_id] for one in case.same.values() if one.stands):
            self._look_again(other, moment, since=since, reached=reached)

    def _look_again(self, case: Case, moment: Moment, *, since: datetime, reached: datetime) -> None:
        self._bureau.judge_since(case, since, moment)
        self._bureau.reconsider(case, moment, arrived=reached)

    def _look_at_sharers(self, case: Case, moment: Moment, *, since: datetime, reached: datetime) -> None:
        """The caps of another law are kept from now on by all who share something with the person."""
        self._bureau.reconsider(case, moment, arrived=reached)
        for other in self._sharing.sharers(case):
            self._look_again(other, moment, since=since, reached=reached)

    def sell(self, case: Case, moment: Moment, *, debt: UUID, reached: datetime) -> None:
        """The debt is another creditor's: what was granted to collect dies, and with the last debt the case closes."""
        case.owes_no_longer(debt)
        self._sharing.forget()
        case.is_open = case.is_open and not case.sold.issuperset(case.debts)
        sold = Recall(party_id=case.party_id, cause="sold", fact_arrived_real=reached)
        self._bureau.recall(case, [sold], moment)
        self._bureau.reconsider(case, moment, arrived=reached)

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
        self._bureau.leaf(case, "told", moment, name=name)
        self._look_again(case, moment, since=since, reached=reached)
        self._look_at_other_ids(case, moment, since=since, reached=reached)

    def request(self, case: Case, moment: Moment, *, channel: Channel) -> None:
        """The person's own request to be contacted."""
        case.entries.append(
            DossierEntry(
                party_id=case.party_id, name="customer_request", value=frozenset({channel}), as_of=moment.now,
                recorded_real=moment.real, owner="bank",
            )
        )  # fmt: skip
        self._bureau.leaf(case, "told", moment, name="customer_request")

    def allow_exception(
        self, case: Case, moment: Moment, *, rule: str, by: Overriding, valid: Span, hours: tuple[time, time] | None
    ) -> None:
        """The person's consent or a supervisor's leave to pass one rule. Raises what `passable` raises."""
        span = passable(self._bureau.book, rule_id=rule, by=by, valid=valid, hours=hours is not None, now=moment.now)
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
        self._bureau.leaf(case, "override", moment, rule=rule)
