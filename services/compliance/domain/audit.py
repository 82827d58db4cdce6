"""The audit of a contact that was made: two verdicts, on the facts then known (conduct) and now known (harm)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.judging import passed
from services.compliance.domain.local_time import Span, local_dates
from services.compliance.domain.packs import (
    CapRule,
    CrewRule,
    EvidenceRule,
    HoldRule,
    HoursRule,
    Rule,
    RuleBook,
    Severity,
)
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.rule_records import ConductRule
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.caps import busiest, matching
from services.compliance.domain.rules.crew import judge_crew
from services.compliance.domain.rules.holds import judge_hold
from services.compliance.domain.rules.hours import judge_hours
from services.compliance.domain.rules.records import misconduct, shown
from shared.events.contact import ContactRecorded

PERMIT_RULES: Final[dict[str, str]] = {
    "PERMIT-MISSING": "Doorstep: no contact without a permit",
    "PERMIT-FOREIGN": "Doorstep: a permit is for one party, channel, purpose and subject",
    "PERMIT-WINDOW": "Doorstep: a permit is valid from the start to the end of its window",
    "PERMIT-CREW": "Doorstep: only the permit's collectors make the visit",
    "PERMIT-RELEASED": "Doorstep: a released permit covers nothing",
    "PERMIT-REUSED": "Doorstep: a permit covers one contact",
    "PERMIT-REVOKED": "Doorstep: no contact begins on a revoked permit",
    "PERMIT-USE-LATE": "Doorstep: the use of a permit is reported before the contact begins",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that the contact broke. `conduct`: on the facts then known; `harm`: on the facts now known."""

    rule: str
    citation: str
    severity: Severity
    detail: str
    conduct: bool = True
    harm: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the audit looks at beside the contact itself.

    `use_came_first`: whoever reports it had to report the permit's use before it (visits report it with the check-in).
    """

    permit: Permit | None
    facts: PartyFacts
    jurisdiction: str | None
    freshness_limit: timedelta
    use_came_first: bool = False


def judge_contact(contact: ContactRecorded, evidence: Evidence, book: RuleBook) -> list[Finding]:
    """Every rule the contact broke; none means lawful."""
    evidence = _where_it_was(evidence)
    findings = list(_permit_findings(contact, evidence))
    question = _question(contact, evidence)
    judged = (_rule_finding(rule, contact, question, evidence, book) for rule in _rules(contact, evidence, book))
    return findings + [finding for finding in judged if finding is not None]


def judge_again(contact: ContactRecorded, evidence: Evidence, book: RuleBook) -> list[Finding]:
    """What the contact broke of the rules that later facts can change: holds that stood already, contacts before it.

    `evidence.facts.counted` holds what is known now of the contacts made before it. A hold that only says that facts
    were missing forbids nothing in hindsight.
    """
    evidence = _where_it_was(evidence)
    question = _question(contact, evidence)
    broken = (
        _rule_finding(rule, contact, question, evidence, book)
        for rule in _rules(contact, evidence, book)
        if isinstance(rule, CapRule) or (isinstance(rule, HoldRule) and not rule.needs_fact)
    )
    return [finding for finding in broken if finding is not None]


def hindsight_rules(book: RuleBook) -> frozenset[str]:
    """The ids of the rules that `judge_again` asks."""
    return frozenset(
        rule.id
        for pack in book.packs
        for rule in pack.rule
        if isinstance(rule, CapRule) or (isinstance(rule, HoldRule) and not rule.needs_fact)
    )


def counted(contact: ContactRecorded, zones: tuple[str, ...], *, told_real: datetime | None = None) -> Counted:
    """How the recorded contact counts."""
    return Counted(
        channel=contact.channel, purpose=contact.purpose, span=Span(contact.started_at, contact.ended_at), zones=zones,
        attempt=contact.attempt, contact=contact.contact, conversation=contact.conversation,
        household_contacted=contact.household_contacted, debtor_met=contact.debtor_met, permit_id=contact.permit_id,
        unanswered=contact.attempt and not contact.contact, told_real=told_real,
    )  # fmt: skip


def _where_it_was(evidence: Evidence) -> Evidence:
    """The evidence with the zones in which the person was thought to be when the permit was granted.

    One who has moved since, before the contact was told, was not there yet; a move that came before it revoked it.
    """
    if evidence.permit is None:
        return evidence
    return replace(evidence, facts=replace(evidence.facts, zones=evidence.permit.zones))


def _permit_findings(contact: ContactRecorded, evidence: Evidence) -> Iterator[Finding]:
    permit = evidence.permit
    if permit is None:
        yield _permit_finding("PERMIT-MISSING", "no permit, or one that compliance did not grant to this party")
        return
    subject = contact.visit_id or contact.plan_id
    bound = (permit.channel, permit.purpose) == (contact.channel, contact.purpose)
    if not bound or (subject is not None and subject != permit.subject_id):
        yield _permit_finding("PERMIT-FOREIGN", "granted for another channel, purpose or subject")
    if permit.release_cause is not None:
        yield _permit_finding("PERMIT-RELEASED", "given back before the contact")
    if permit.contact_id is not None and permit.contact_id != contact.contact_id:
        yield _permit_finding("PERMIT-REUSED", "already used for another contact")
    if not permit.window.holds(Span(contact.started_at, contact.ended_at)):
        yield _permit_finding("PERMIT-WINDOW", "began or ended outside the permitted window", "medium")
    # Of a person who was erased since, nobody knows the permitted crew: what cannot be shown is not held against them.
    if contact.channel == "visit" and not permit.erased and not set(contact.crew) <= set(permit.crew):
        yield _permit_finding("PERMIT-CREW", "a collector at the door is not of the permitted crew")
    if evidence.use_came_first and permit.state is PermitState.GRANTED:
        yield _permit_finding("PERMIT-USE-LATE", "the use came only with the record of the contact", "medium")
    yield from _revocation_finding(contact, permit, evidence.freshness_limit)


def _revocation_finding(contact: ContactRecorded, permit: Permit, limit: timedelta) -> Iterator[Finding]:
    """Zero check-ins later than F after the fact reached us; those within F harm, but nobody could know."""
    arrived = permit.fact_arrived_real
    if permit.revoked_real is None or arrived is None or contact.started_real < arrived:
        return
    late = contact.started_real > arrived + limit
    detail = f"began after the fact ({permit.revoke_cause}) had arrived"
    yield replace(_permit_finding("PERMIT-REVOKED", detail, "high" if late else "low"), conduct=late)


def _permit_finding(rule: str, detail: str, severity: Severity = "high") -> Finding:
    return Finding(rule, PERMIT_RULES[rule], severity, detail)


def _question(contact: ContactRecorded, evidence: Evidence) -> Question:
    permit = evidence.permit
    return Question(
        party_id=contact.party_id,
        case_id=None,
        subject_id=contact.visit_id or contact.plan_id or contact.contact_id,
        channel=contact.channel,
        purpose=contact.purpose,
        jurisdiction=evidence.jurisdiction or "",
        zones=permit.zones if permit is not None else (),
        span=Span(contact.started_at, contact.ended_at),
        duration=contact.ended_at - contact.started_at,
        crew=tuple(contact.crew),
        now=contact.started_at,
        real_now=contact.started_real,
    )


def _rules(contact: ContactRecorded, evidence: Evidence, book: RuleBook) -> list[Rule]:
    """The rules in force on the contact's local dates that speak of it and concern it, as far as is known."""
    facts = replace(evidence.facts, jurisdiction=evidence.jurisdiction)
    return concerned(_question(contact, evidence), facts, book)


def _rule_finding(
    rule: Rule, contact: ContactRecorded, question: Question, evidence: Evidence, book: RuleBook
) -> Finding | None:
    facts = evidence.facts
    match rule:
        case HoursRule():
            ruling = judge_hours(rule, question, facts)
            return _finding(rule, ruling.detail) if ruling.refuses and passed(rule, question, facts) is None else None
        case CrewRule():
            ruling = judge_crew(rule, question, facts)
            return _finding(rule, ruling.detail) if ruling.refuses else None
        case HoldRule():
            return _hold_finding(rule, question, evidence)
        case CapRule():
            return _cap_finding(rule, contact, question, facts) if passed(rule, question, facts) is None else None
        case EvidenceRule():
            attested = book.attested(question.jurisdiction or None).on(contact.started_at.date())
            return None if shown(rule, contact, attested=attested) else _finding(rule, f"not recorded: {rule.proof}")
        case ConductRule():
            flags = misconduct(rule, contact.conduct_flags)
            return _finding(rule, f"reported: {', '.join(flags)}") if flags else None
        case _:
            return None


def _hold_finding(rule: HoldRule, question: Question, evidence: Evidence) -> Finding | None:
    """Holds forbid to *begin* a contact.

    One that came up during it, such as a plan signed at the door, breaks nothing. Within the freshness limit after it
    was recorded it harms, but nobody at the door could know: as for the permit that it revoked.
    """
    holds = [hold for hold in evidence.facts.holds if hold.kind in rule.hold_kinds]
    if not holds:
        return None
    began = Span(question.span.start, question.span.start + timedelta.resolution)
    known_by = question.real_now - evidence.freshness_limit
    before = [one for one in holds if one.recorded_real <= question.real_now or one.valid_from < began.start]
    start = replace(question, span=began)
    ruling = judge_hold(rule, start, replace(evidence.facts, holds=tuple(before)))
    if not ruling.refuses:
        return None
    known = tuple(one for one in before if one.recorded_real <= known_by)
    conduct = judge_hold(rule, start, replace(evidence.facts, holds=known)).refuses
    return replace(_finding(rule, ruling.detail), conduct=conduct, severity=rule.severity if conduct else "low")


def _cap_finding(rule: CapRule, contact: ContactRecorded, question: Question, facts: PartyFacts) -> Finding | None:
    """`facts.counted` holds the other contacts made, not reservations: what was only reserved has harmed nobody.

    Of two contacts where one is allowed, the later one is too many, in whichever order they were told. One that nobody
    had a permit for or had told by then could not be known.
    """
    zones = question.candidate_zones(facts)
    if not zones or not counted(contact, zones).counts_as(rule.unit):
        return None
    before = [one for one in facts.counted if one.span.start <= contact.started_at]
    dates = local_dates(contact.started_at, zones)
    most = busiest(matching(rule, before, question), dates, rule.window)
    if most < rule.limit:
        return None
    known = [one for one in before if one.permit_id or one.told_real is None or one.told_real <= contact.started_real]
    conduct = busiest(matching(rule, known, question), dates, rule.window) >= rule.limit
    found = _finding(rule, f"number {most + 1} where {rule.limit} in {rule.window} are allowed")
    return found if conduct else replace(found, conduct=False, severity="low")


def _finding(rule: Rule, detail: str) -> Finding:
    return Finding(rule.id, rule.citation, rule.severity, detail)


def verdict(findings: Iterable[Finding]) -> Literal["lawful", "violation"]:
    """`lawful`, or `violation` when a rule was broken on the facts then known."""
    return "violation" if any(finding.conduct for finding in findings) else "lawful"
