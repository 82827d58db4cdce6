"""A permit: the signed right to make one contact, and the reservation of the party's budget behind it.

A reservation never lapses to free: it is released by a signed release or counts as used. A use that is reported after
the release counts again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.compliance.domain.budget_keys import Keys
from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.local_time import Span
from services.compliance.domain.third_persons import Inquiry, inquiry
from shared.events.contact import Channel, Purpose
from shared.web.problems import KnownProblem

ISSUER = "compliance"


class PermitState(StrEnum):
    """`granted` and `used` hold the budget; `recorded` hands it to the contact's own record.

    `released` gives it back.
    """

    GRANTED = "granted"
    USED = "used"
    RECORDED = "recorded"
    RELEASED = "released"


class PermitAlreadyUsed(KnownProblem):  # reads as a fact at the call site
    """The permit was used for another contact: the second use is a violation and is recorded as one."""

    kind, status, title = "permit-already-used", 409, "The permit was used for another contact"


class PermitNotReleasable(KnownProblem):
    """The permit was used: a contact that was made cannot be given back to the budget."""

    kind, status, title = "permit-not-releasable", 409, "A used permit cannot be released"


class PermitReleased(KnownProblem):
    """The permit was given back and covers no contact any more: a use reported now counts, and is a finding."""

    kind, status, title = "permit-released", 409, "The permit was released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """One permit. `window` and `used_at` are business time, `granted_real` and `revoked_real` real time.

    `contact_id`: the contact that it covers, `used_at`: when that began, or its use was reported to begin if earlier.
    While no contact is named, `used_at` is when a use was reported.
    `debts`: those that its contact is about; None: all of the party's. `keys`: what it reserves beside the person.
    """

    permit_id: UUID
    party_id: UUID
    tenant: str
    decision_id: UUID
    request_id: UUID
    case_id: UUID
    subject_id: UUID
    channel: Channel
    purpose: Purpose
    crew: tuple[UUID, ...]
    device_id: str | None
    place_cell: str | None
    window: Span
    duration: timedelta
    zones: tuple[str, ...]
    rule_set: str
    granted_real: datetime
    state: PermitState = PermitState.GRANTED
    contact_id: UUID | None = None
    used_at: datetime | None = None
    unnamed_use: bool = False
    """A use was reported that named no contact: it may be of any contact on the permit."""
    release_cause: str | None = None
    revoked_real: datetime | None = None
    revoke_cause: str | None = None
    fact_arrived_real: datetime | None = None
    erased: bool = False
    """The person was erased: crew and place are not known any more."""
    debts: frozenset[UUID] | None = None
    third_person: str | None = None
    """Of an inquiry: commitment to the contact point of whoever is asked. None too where the party was erased."""
    keys: Keys = field(default_factory=dict)

    def claims(self) -> dict[str, Json]:
        """The claims of its token. `nbf` and `exp` are BUSINESS seconds.

        Fractions are cut towards the inside of the window.
        """
        return {
            "iss": ISSUER,
            "jti": str(self.permit_id),
            "sub": str(self.party_id),
            "tenant": self.tenant,
            "subject_id": str(self.subject_id),
            "channel": self.channel,
            "purpose": self.purpose,
            "crew": [str(collector) for collector in self.crew],
            "device_id": self.device_id,
            "place_cell": self.place_cell,
            "nbf": -int(-self.window.start.timestamp() // 1),
            "exp": int(self.window.end.timestamp()),
            "duration_minutes": self.duration // timedelta(minutes=1),
            "iat_real": format_time(self.granted_real),
            "rule_set": self.rule_set,
            "decision_id": str(self.decision_id),
            **({} if self.debts is None else {"debt_ids": sorted(map(str, self.debts))}),
        }

    def reservation(self) -> Counted:
        """How it counts until its contact is recorded: as everything."""
        return Counted(
            channel=self.channel, purpose=self.purpose, span=self.window, zones=self.zones, permit_id=self.permit_id,
            keys=self.keys,
        )  # fmt: skip

    @property
    def inquiry(self) -> Inquiry | None:
        """The question to a third person that it reserves."""
        return None if self.third_person is None else inquiry(self.third_person, self.window.start, self.zones)

    def covers(self, contact_id: UUID, began: datetime) -> bool:
        """Whether it is this contact's, which began then: of all that are told of it, it is that of the earliest."""
        if self.contact_id is None or self.used_at is None or self.contact_id == contact_id:
            return True
        return (began, contact_id) < (self.used_at, self.contact_id)

    def second_use(self, contact_id: UUID, began: datetime) -> bool:
        """Whether another contact on it came first. One that was given back covers nothing, whoever came first."""
        return self.release_cause is None and not self.covers(contact_id, began)

    @property
    def reserves(self) -> bool:
        """Whether it holds the budget itself."""
        return self.state in (PermitState.GRANTED, PermitState.USED)

    def recallable(self, *, now: datetime) -> bool:
        """Whether a later fact still changes something: unused, or under way inside its window."""
        under_way = self.state is PermitState.USED and now < self.window.end
        return self.revoked_real is None and (self.state is PermitState.GRANTED or under_way)


def grant(
    question: Question, facts: PartyFacts, *, permit_id: UUID, decision_id: UUID, request_id: UUID, case_id: UUID,
    tenant: str, rule_set: str, third_person: str | None = None,
) -> Permit:  # fmt: skip
    """The permit of a contact that was allowed: for what was asked, in every zone that the person may be in."""
    return Permit(
        permit_id=permit_id,
        party_id=question.party_id,
        tenant=tenant,
        decision_id=decision_id,
        request_id=request_id,
        case_id=case_id,
        subject_id=question.subject_id,
        channel=question.channel,
        purpose=question.purpose,
        crew=question.crew,
        device_id=question.device_id,
        place_cell=question.place_cell,
        window=question.span,
        duration=question.duration,
        zones=question.candidate_zones(facts),
        rule_set=rule_set,
        granted_real=question.real_now,
        debts=question.debts,
        third_person=third_person,
        keys=question.keys,
    )


def use(permit: Permit, *, contact_id: UUID | None, used_at: datetime) -> Permit:
    """The permit after a use was reported. A revoked one is used too, if it was: the audit judges that.

    A use of another contact takes it over if it began earlier, and leaves it as it is if not. Raises PermitReleased.
    """
    if permit.state is PermitState.RELEASED:
        raise PermitReleased()
    after = _used(permit, contact_id, used_at)
    return replace(after, state=PermitState.USED) if permit.state is PermitState.GRANTED else after


def _used(permit: Permit, contact_id: UUID | None, began: datetime) -> Permit:
    """The earliest of all uses told, in whatever order; one that names no contact is whichever contact comes first."""
    if contact_id is None:
        return replace(permit, unnamed_use=True, used_at=permit.used_at or began.astimezone(UTC))
    if permit.contact_id == contact_id and permit.used_at is not None and permit.used_at <= began:
        return permit
    if not permit.covers(contact_id, began):
        return permit
    return replace(permit, contact_id=contact_id, used_at=began.astimezone(UTC))


def use_after_release(permit: Permit, *, contact_id: UUID | None, used_at: datetime) -> Permit:
    """The permit after its holder gave it back and used it all the same: it covers nothing, and it counts again.

    `release_cause` stays, so that the audit of the contact names it.
    """
    return replace(permit, state=PermitState.USED, contact_id=contact_id, used_at=used_at.astimezone(UTC))


def release(permit: Permit, *, cause: str) -> Permit:
    """The permit after its holder gave it back unused; repeated, nothing changes. Raises PermitNotReleasable."""
    if permit.state is PermitState.RELEASED:
        return permit
    if permit.state is not PermitState.GRANTED:
        raise PermitNotReleasable()
    return replace(permit, state=PermitState.RELEASED, release_cause=cause)


def revoke(permit: Permit, *, cause: str, fact_arrived_real: datetime, real_now: datetime) -> Permit:
    """The permit after a later fact: void if unused; if under way, its holder gets a notice to end.

    The budget stays reserved.
    """
    return replace(permit, revoked_real=real_now, revoke_cause=cause, fact_arrived_real=fact_arrived_real)


def recorded(permit: Permit, *, contact_id: UUID, used_at: datetime) -> Permit:
    """The permit after its contact's own record took over the count."""
    return replace(_used(permit, contact_id, used_at), state=PermitState.RECORDED)
