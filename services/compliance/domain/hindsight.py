"""Hindsight: a judged contact judged again on the facts now known, and what that changes of its findings.

What was not known when a contact was made changes what is said of its harm; the verdict of conduct stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.compliance.domain.audit import Evidence, Finding, judge_again
from services.compliance.domain.facts import Counted, PartyFacts
from services.compliance.domain.findings import FindingVersion, judged_again, of_contact
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit
from shared.events.contact import ContactRecorded

_NOT_BROKEN = "on the facts now known the rule was not broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedContact:
    """A contact that was judged, as it was told. `recorded_real`: when it was judged."""

    contact: ContactRecorded
    counted: Counted
    recorded_real: datetime

    @property
    def began(self) -> datetime:
        """Business time of its start."""
        return self.contact.started_at

    @property
    def order(self) -> tuple[datetime, datetime, UUID]:
        """Which of two contacts was the earlier one; the one told first, where both began together."""
        return self.contact.started_at, self.recorded_real, self.contact.contact_id


def broken_now(
    one: JudgedContact, facts: PartyFacts, others: Iterable[JudgedContact], book: RuleBook, *,
    permit: Permit | None, freshness_limit: timedelta,
) -> list[Finding]:  # fmt: skip
    """What the contact broke, on the facts now known. `facts` are those of its start, `others` all judged contacts."""
    evidence = Evidence(
        permit=permit,
        facts=replace(facts, counted=tuple(other.counted for other in others if other.order < one.order)),
        jurisdiction=facts.jurisdiction,
        freshness_limit=freshness_limit,
    )
    return judge_again(one.contact, evidence, book)


def changes(
    contact: ContactRecorded, broken: Sequence[Finding], known: Sequence[FindingVersion]
) -> list[FindingVersion]:
    """The versions that the new judgement adds to those that stand (`known`: of the rules that were asked again)."""
    now = {finding.rule: finding for finding in broken}
    changed = [
        judged_again(
            version,
            harm=version.finding.rule in now,
            detail=now[version.finding.rule].detail if version.finding.rule in now else _NOT_BROKEN,
        )
        for version in known
    ]
    fresh = [
        of_contact(
            # It came out only now: whoever made the contact could not know.
            replace(finding, conduct=False, harm=True, severity="low"),
            party_id=contact.party_id,
            contact_id=contact.contact_id,
            permit_id=contact.permit_id,
        )
        for rule, finding in now.items()
        if rule not in {version.finding.rule for version in known}
    ]
    return [after for before, after in zip(known, changed, strict=True) if after is not before] + fresh
