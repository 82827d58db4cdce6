"""What a contact is audited on: its permit, the facts now known, and the facts that were known when it began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import structs

from services.compliance.domain.budget_keys import Keys, joined, key_of_home
from services.compliance.domain.dossier import Dossier
from services.compliance.domain.facts import Counted, PartyFacts
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.permits import Permit
from services.compliance.domain.places import Place, place_at
from services.compliance.domain.third_persons import INQUIRY
from shared.events.contact import ContactRecorded


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A contact that was told, as the audit of another one sees it. `counted.told_real`: when it was told.

    `conduct` and `harm`: whether a finding on it stands with that verdict.
    """

    contact_id: UUID
    counted: Counted
    conduct: bool = False
    harm: bool = False
    one_person_since: datetime | None = None
    """It was told of another id of the person; that both are one is known since then (real time)."""

    @property
    def order(self) -> tuple[datetime, UUID]:
        """Which of two contacts was the earlier one, in whichever order they were told."""
        return self.counted.span.start, self.contact_id

    def judged(self, *, conduct: bool, harm: bool) -> Made:
        """The same with these verdicts: lawful with neither."""
        counted = structs.replace(self.counted, lawful=not (conduct or harm))
        return structs.replace(self, counted=counted, conduct=conduct, harm=harm)

    def as_known_by(self, moment: datetime) -> Counted | None:
        """As compliance knew of it then; None: not at all. Of its reservation nobody knew how it would go: it opens no
        gate and closes none. What came out later made it no less lawful then.
        """
        if self.one_person_since is not None and moment < self.one_person_since:
            known = structs.replace(self, one_person_since=None).as_known_by(moment)
            return None if known is None else structs.replace(known, of_another=True, lawful=None)
        told = self.counted.told_real
        if told is not None and told > moment:
            return None if self.counted.permit_id is None else structs.replace(self.counted, lawful=None)
        return self.counted if self.conduct or not self.harm else structs.replace(self.counted, lawful=True)


_NOTHING_TOLD: Final[Mapping[UUID, Iterable[Made]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the audit looks at beside the contact itself. All facts are those of the moment at which it began.

    `facts`: as they are known now. `known`: as they were known when it began and, where something was learnt between,
    a freshness limit before that; empty when nothing was learnt since. `use_came_late`: whoever reports it had to
    report the permit's use before it (visits report it with the check-in), and no use was reported before a record.
    """

    permit: Permit | None
    facts: PartyFacts
    known: tuple[PartyFacts, ...] = ()
    freshness_limit: timedelta
    use_came_late: bool = False

    @property
    def as_it_began(self) -> PartyFacts:
        """What was known as the contact began."""
        return self.known[0] if self.known else self.facts


def keys_of(contact: ContactRecorded, permit: Permit | None, facts: PartyFacts) -> Keys:
    """What the contact counts on beside the person: what its permit reserved, else what is known of the person.

    The contact point that its own record names goes before the one that was asked for. An address that it names stands
    beside the one that was asked for: one of them may be written, and the other only a key.
    """
    known = {**(permit.keys if permit is not None and permit.keys else facts.keys), **_point_of(contact)}
    visited = _address_of(contact)
    return {**known, **joined({"address": known.get("address", frozenset())}, visited)} if visited else known


Homes = Mapping[str, datetime]
"""The homes of a person, each with the business time from which it is theirs; nobody says until when."""


def at_home_of_then(party: PartyFacts, contact: ContactRecorded, permit: Permit | None, homes: Homes) -> PartyFacts:
    """The facts for a contact without a reservation: it counts on the home of its own time, as far as that is known
    when it is told. Where the person lives now they lived then, unless they moved in since.
    """
    now = next(iter(party.keys.get("household", ())), None)
    if (permit is not None and permit.keys) or now is None or homes.get(now, contact.started_at) <= contact.started_at:
        return party
    before = [(since, home) for home, since in homes.items() if since <= contact.started_at]
    return structs.replace(party, keys={**party.keys, "household": frozenset({max(before)[1]})}) if before else party


def keys_named(
    contacts: Iterable[ContactRecorded], permits: Iterable[Permit], made: Mapping[UUID, Iterable[Made]] = _NOTHING_TOLD
) -> dict[UUID, Keys]:
    """What the contacts count on beside what is known of their people, by party. `made`: those of them that were told
    before, by party: they count on the home and the debts of then.
    """
    contacts = list(contacts)
    again = {one.contact_id for one in contacts}
    found: dict[UUID, Keys] = {
        party_id: joined(*(one.counted.keys for one in told if one.contact_id in again))
        for party_id, told in made.items()
    }
    for permit in permits:
        found[permit.party_id] = joined(found.get(permit.party_id, {}), permit.keys)
    for one in contacts:
        found[one.party_id] = joined(found.get(one.party_id, {}), _point_of(one), _address_of(one))
    return found


def _point_of(contact: ContactRecorded) -> Keys:
    # A third person is no contact point of the party, and leaves no trace beside the ledger.
    if contact.contact_point is None or contact.channel == INQUIRY:
        return {}
    return {"contact_point": frozenset({contact.contact_point})}


def _address_of(contact: ContactRecorded) -> Keys:
    if contact.address_key is None or contact.channel != "visit":
        return {}
    return {"address": frozenset({key_of_home(contact.address_key)})}


def evidence_of(
    contact: ContactRecorded, *, permit: Permit | None, party: PartyFacts, dossier: Dossier,
    places: Sequence[Place] = (), sharers: Sequence[PastSharer] = (), others: Iterable[Made],
    freshness_limit: timedelta, use_came_late: bool = False,
) -> Evidence:  # fmt: skip
    """The evidence for one contact of the person. `party` holds every hold ever placed; what it counts is not read.
    `sharers`: everybody who shares a key that the contact may count on.

    Where it has a permit, the person was in its zones, unless a place that was heard of since says otherwise.
    """
    began = (contact.started_at, contact.contact_id)
    before = [one for one in others if one.order < began]
    others_before = tuple(one for one in party.shared if one.span.start < contact.started_at)
    holds = [
        one
        for one in party.holds
        # One that was recorded since and stands from this very moment on came up during the contact.
        if one.recorded_real <= contact.started_real or one.valid_from < contact.started_at
    ]
    facts = structs.replace(
        party, holds=tuple(holds), counted=tuple(one.counted for one in before), shared=others_before
    )

    def known_by(moment: datetime | None) -> PartyFacts:
        then = facts if moment is None else _as_known_by(moment, facts, before)
        place = place_at(places, contact.started_at, known_by=moment)
        jurisdiction, zones = (then.jurisdiction, then.zones) if place is None else (place.jurisdiction, place.zones)
        if permit is not None and (place is None or place.recorded_real <= permit.granted_real):
            zones = permit.zones
        laws = (one.at(contact.started_at, known_by=moment) for one in sharers)
        known = tuple(law for law in laws if law is not None)
        if (jurisdiction, zones, known) != (then.jurisdiction, then.zones, then.sharers):
            then = structs.replace(then, jurisdiction=jurisdiction, zones=zones, sharers=known)
        return dossier.applied_to(then, at=contact.started_at, known_by=moment)

    now, long_before = known_by(None), contact.started_real - freshness_limit
    learnt = _learnt(facts, dossier, places, before, at=contact.started_at)
    learnt += [moment for one in sharers for moment in one.learnt(at=contact.started_at)]
    since_it_began = any(one > contact.started_real for one in learnt)
    known: tuple[PartyFacts, ...] = ()
    if since_it_began or any(one.harm and not one.conduct for one in before):
        known = (known_by(contact.started_real),)
    if any(long_before < one <= contact.started_real for one in learnt):
        known = (*(known or (now,)), known_by(long_before))
    return Evidence(
        permit=permit,
        facts=now,
        known=known,
        freshness_limit=freshness_limit,
        use_came_late=use_came_late,
    )


def _learnt(
    facts: PartyFacts, dossier: Dossier, places: Iterable[Place], before: Iterable[Made], *, at: datetime
) -> list[datetime]:
    """When each thing was heard that bears on a contact at the business time `at`."""
    moments = [one.recorded_real for one in facts.holds]
    moments += [one.recorded_real for one in places]
    moments += [one.recorded_real for one in dossier.entries if one.as_of <= at]
    moments += [moment for one in dossier.others for moment in one.learnt(at=at)]
    moments += [one.recorded_real for one in dossier.overrides]
    moments += [since for one in before if (since := one.one_person_since) is not None]
    moments += [told for one in facts.shared if (told := one.told_real) is not None]
    return moments + [told for one in before if (told := one.counted.told_real) is not None]


def _as_known_by(moment: datetime, facts: PartyFacts, before: Iterable[Made]) -> PartyFacts:
    counted = (one.as_known_by(moment) for one in before)
    return structs.replace(
        facts,
        counted=tuple(one for one in counted if one is not None),
        shared=tuple(one for one in facts.shared if one.permit_id or one.told_real is None or one.told_real <= moment),
        holds=tuple(one for one in facts.holds if one.recorded_real <= moment),
    )
