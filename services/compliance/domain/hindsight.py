"""Hindsight: judged contacts judged again on the facts now known, and what that changes of their findings.

Both verdicts follow from what is known and when it was told, so in whatever order a person's contacts, facts and holds
come, the same findings stand in the end. What is told late was not known when the contact was made: it changes harm
only, but for a contact on a permit, whose reservation was known before its record came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.compliance.domain.audit import Finding, hindsight_rules, judge_again
from services.compliance.domain.audited_on import Made, evidence_of
from services.compliance.domain.dossier import Dossier
from services.compliance.domain.facts import PartyFacts
from services.compliance.domain.findings import FindingVersion, judged_again, not_broken, of_contact
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit
from services.compliance.domain.places import Place
from shared.events.contact import ContactRecorded

_NOT_BROKEN = "on the facts now known the rule was not broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All that is known of a person, to judge the past on: every hold and everything told, places and contacts."""

    party: PartyFacts
    dossier: Dossier
    places: Sequence[Place]
    made: Sequence[Made]
    permits: Mapping[UUID, Permit]


def changes(
    past: Past, again: Iterable[ContactRecorded], standing: Mapping[UUID, Sequence[FindingVersion]], book: RuleBook, *,
    freshness_limit: timedelta,
) -> list[FindingVersion]:  # fmt: skip
    """The versions that judging these contacts of the person again adds to those that stand (by contact).

    The earliest first: what is found of one decides whether it opened a gate for the next.
    """
    made = {one.contact_id: one for one in past.made}
    asked = hindsight_rules(book)
    added: list[FindingVersion] = []
    for contact in sorted(again, key=lambda one: (one.started_at, one.contact_id)):
        permit = None if contact.permit_id is None else past.permits.get(contact.permit_id)
        evidence = evidence_of(
            contact,
            permit=permit if permit is not None and permit.party_id == contact.party_id else None,
            party=past.party,
            dossier=past.dossier,
            places=past.places,
            others=made.values(),
            freshness_limit=freshness_limit,
        )
        known = standing.get(contact.contact_id, ())
        changed = _changes(contact, judge_again(contact, evidence, book), known, asked)
        added += changed
        now = {one.finding_id: one for one in (*known, *changed)}.values()
        made[contact.contact_id] = made[contact.contact_id].judged(
            conduct=any(one.finding.conduct for one in now), harm=any(one.finding.harm for one in now)
        )
    return added


def _changes(
    contact: ContactRecorded, broken: Sequence[Finding], known: Sequence[FindingVersion], asked: frozenset[str]
) -> list[FindingVersion]:
    now = {finding.rule: finding for finding in broken}
    before = [version for version in known if version.finding.rule in asked]
    after = [
        judged_again(version, now[version.finding.rule])
        if version.finding.rule in now
        else not_broken(version, detail=_NOT_BROKEN)
        for version in before
    ]
    fresh = [
        of_contact(
            finding, party_id=contact.party_id, contact_id=contact.contact_id, permit_id=contact.permit_id
        )
        for rule, finding in now.items()
        if rule not in {version.finding.rule for version in before}
    ]  # fmt: skip
    return [new for old, new in zip(before, after, strict=True) if new is not old] + fresh
