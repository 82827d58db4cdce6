"""Hindsight: judged contacts judged again on the facts now known, and what that changes of their findings.

Both verdicts follow from what is known and when it was told, so in whatever order a person's contacts, facts and holds
come, the same findings stand in the end. What is told late was not known when the contact was made: it changes harm
only, but for a contact on a permit, whose reservation was known before its record came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import structs

from services.compliance.domain.audit import (
    REUSED,
    Finding,
    asked_again,
    judge_again,
    second_use_found,
)
from services.compliance.domain.audited_on import Evidence, Made, evidence_of
from services.compliance.domain.dossier import Dossier
from services.compliance.domain.facts import PartyFacts
from services.compliance.domain.findings import FindingVersion, judged_again, not_broken, of_contact
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.permits import Permit
from services.compliance.domain.places import Place
from services.compliance.domain.rule_records import ConductRule
from shared.events.contact import ConductFlag, ContactRecorded
from shared.ids import derived_id

HEARD: Final = "heard:"
"""The subject of a finding begins so that a person told of: no record of the contact says it, so none takes it back."""
_NOT_BROKEN = "on the facts now known the rule was not broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All that is known of a person, to judge the past on: every hold and everything told, places and contacts."""

    party: PartyFacts
    dossier: Dossier
    places: Sequence[Place]
    made: Sequence[Made]
    permits: Mapping[UUID, Permit]
    sharers: Sequence[PastSharer] = ()


def changes(
    past: Past, again: Iterable[ContactRecorded], standing: Mapping[UUID, Sequence[FindingVersion]], book: RuleBook, *,
    freshness_limit: timedelta,
) -> list[FindingVersion]:  # fmt: skip
    """The versions that judging these contacts of the person again adds to those that stand (by contact).

    The earliest first: what is found of one decides whether it opened a gate for the next.
    """
    made = {one.contact_id: one for one in past.made}
    added: list[FindingVersion] = []
    for contact in sorted(again, key=lambda one: (one.started_at, one.contact_id)):
        evidence = _evidence(past, contact, made, freshness_limit=freshness_limit)
        permit = evidence.permit
        known = standing.get(contact.contact_id, ())
        asked = asked_again(contact, permit, book.asked_in_hindsight)
        changed = versions_of(contact, judge_again(contact, evidence, book), known, asked)
        added += changed
        now = {one.finding_id: one for one in (*known, *changed)}.values()
        made[contact.contact_id] = made[contact.contact_id].judged(
            conduct=any(one.finding.conduct for one in now), harm=any(one.finding.harm for one in now)
        )
    return added


HeardIn = Literal["recording", "message", "complaint", "observation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a person heard or read of a contact after it was recorded: which misconduct, in what, where that is kept."""

    flags: frozenset[ConductFlag]
    heard_in: HeardIn
    by_whom: str
    reference: str
    reason: str | None = None


def found_in(
    past: Past, contact: ContactRecorded, heard: Heard, book: RuleBook, *, freshness_limit: timedelta
) -> list[FindingVersion]:
    """The findings of the rules of conduct, in force where and when the contact was made, that it broke so.

    Of a rule there is one, however often it is told.
    """
    evidence = _evidence(past, contact, {one.contact_id: one for one in past.made}, freshness_limit=freshness_limit)
    told = contact.model_copy(update={"conduct_flags": sorted(heard.flags)})
    return [
        replace(
            of_contact(
                one, party_id=contact.party_id, contact_id=contact.contact_id, permit_id=contact.permit_id
            ),
            finding_id=derived_id("finding", HEARD, str(contact.contact_id), one.rule),
            subject=f"{HEARD}{heard.heard_in}", by_whom=heard.by_whom, reference=heard.reference, reason=heard.reason,
        )
        for one in judge_again(told, evidence, book)
        if isinstance(book.rule(one.rule), ConductRule)
    ]  # fmt: skip


def _evidence(
    past: Past, contact: ContactRecorded, made: Mapping[UUID, Made], *, freshness_limit: timedelta
) -> Evidence:
    permit = None if contact.permit_id is None else past.permits.get(contact.permit_id)
    permit = permit if permit is not None and permit.party_id == contact.party_id else None
    return evidence_of(
        contact,
        permit=permit,
        party=past.party if permit is not None and permit.keys else _as_told(past.party, made[contact.contact_id]),
        dossier=past.dossier,
        places=past.places,
        sharers=past.sharers,
        others=made.values(),
        freshness_limit=freshness_limit,
    )


def _as_told(party: PartyFacts, made: Made) -> PartyFacts:
    """A contact without a permit counts on what was known when it was told: homes change, and debts are sold."""
    return structs.replace(party, keys=made.counted.keys) if made.counted.keys else party


def use_came_late(contact_id: UUID, permit: Permit | None, standing: Iterable[FindingVersion]) -> bool:
    """Whether the contact is told now and its use was not told before.

    `standing`: what was found of it before: its use, if that was told and was the second on the permit.
    """
    if permit is None or permit.release_cause or permit.unnamed_use or permit.contact_id == contact_id:
        return False
    return not any(one.finding.rule == REUSED for one in standing)


def of_use(permit: Permit, contact_id: UUID, standing: FindingVersion | None) -> FindingVersion | None:
    """What changes for a contact on the permit of which perhaps only the use was told; None: nothing.

    `standing`: its finding as second use. The permit is as it is after all that was told.
    """
    if permit.release_cause is None and permit.contact_id not in (None, contact_id):
        found = second_use_found()
        if standing is None:
            return of_contact(found, party_id=permit.party_id, contact_id=contact_id, permit_id=permit.permit_id)
        after = judged_again(standing, found)
    elif standing is not None:
        after = not_broken(standing, detail=_NOT_BROKEN)
    else:
        return None
    return None if after is standing else after


def told(
    contact: ContactRecorded, broken: Sequence[Finding], standing: Sequence[FindingVersion]
) -> list[FindingVersion]:
    """The versions that a contact's first judgement makes: of its use something may have been found before."""
    return versions_of(contact, broken, standing, frozenset({REUSED}))


def versions_of(
    contact: ContactRecorded, broken: Sequence[Finding], known: Sequence[FindingVersion], asked: frozenset[str]
) -> list[FindingVersion]:
    """What a judgement adds to the versions known: nothing where a verdict of the rules asked stays as it was."""
    now = {finding.rule: finding for finding in broken}
    before = [one for one in known if one.finding.rule in asked and not (one.subject or "").startswith(HEARD)]
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
