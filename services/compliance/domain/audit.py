"""The audit of a contact that was made: two verdicts, on the facts then known (conduct) and now known (harm)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import structs

from services.compliance.domain.audited_on import Evidence, keys_of
from services.compliance.domain.budget_keys import Keys
from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.judging import judge_rule, passed
from services.compliance.domain.local_time import Span, local_dates
from services.compliance.domain.packs import (
    CapRule,
    EvidenceRule,
    HoldRule,
    HoursRule,
    Rule,
    RuleBook,
    Severity,
    Unit,
)
from services.compliance.domain.permits import Permit
from services.compliance.domain.rule_records import ConductRule
from services.compliance.domain.rules.applicability import audited
from services.compliance.domain.rules.caps import busiest, matching_each
from services.compliance.domain.rules.hours import within_hours
from services.compliance.domain.rules.records import misconduct, shown
from services.compliance.domain.rules.sharers import FOR_A_SHARER, caps_of_sharers
from shared.events.contact import ContactRecorded

REUSED: Final = "PERMIT-REUSED"
USE_LATE: Final = "PERMIT-USE-LATE"
PERMIT_RULES: Final[dict[str, str]] = {
    "PERMIT-MISSING": "Doorstep: no contact without a permit",
    "PERMIT-FOREIGN": "Doorstep: a permit is for one party, channel, purpose and subject",
    "PERMIT-WINDOW": "Doorstep: a permit is valid from the start to the end of its window",
    "PERMIT-CREW": "Doorstep: only the permit's collectors make the visit",
    "PERMIT-RELEASED": "Doorstep: a released permit covers nothing",
    REUSED: "Doorstep: a permit covers one contact, the one that began first",
    "PERMIT-REVOKED": "Doorstep: no contact begins on a revoked permit",
    USE_LATE: "Doorstep: the use of a permit is reported before the contact begins",
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


def judge_contact(contact: ContactRecorded, evidence: Evidence, book: RuleBook) -> list[Finding]:
    """Every rule the contact broke; none means lawful."""
    return [*_permit_findings(contact, evidence), *_rule_findings(contact, evidence, book)]


def judge_again(contact: ContactRecorded, evidence: Evidence, book: RuleBook) -> list[Finding]:
    """What the contact broke of the rules that later facts can change: law and policy, and one contact for a permit."""
    found = [one for one in _rule_findings(contact, evidence, book) if one.rule in book.asked_in_hindsight]
    return [*found, *([second_use_found()] if _is_second_use(contact, evidence.permit) else [])]


def asked_again(contact: ContactRecorded, permit: Permit | None, rules: frozenset[str]) -> frozenset[str]:
    """The rules whose findings judging the contact again may change. Only the contact that a permit covers owed the
    report of its use.
    """
    return rules | {REUSED} | ({USE_LATE} if _is_second_use(contact, permit) else set())


def second_use_found() -> Finding:
    """The finding of a second contact on a permit."""
    return _permit_finding(REUSED, "another contact on the permit began earlier")


def _is_second_use(contact: ContactRecorded, permit: Permit | None) -> bool:
    return permit is not None and permit.second_use(contact.contact_id, contact.started_at)


def counted(
    contact: ContactRecorded, zones: tuple[str, ...], *, told_real: datetime | None = None, keys: Keys | None = None
) -> Counted:
    """How the recorded contact counts."""
    return Counted(
        channel=contact.channel, purpose=contact.purpose, span=Span(contact.started_at, contact.ended_at), zones=zones,
        attempt=contact.attempt, contact=contact.contact, conversation=contact.conversation,
        household_contacted=contact.household_contacted, debtor_met=contact.debtor_met, permit_id=contact.permit_id,
        unanswered=_unanswered(contact), told_real=told_real, keys=keys or {},
    )  # fmt: skip


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
    second = _is_second_use(contact, permit)
    if second:
        yield second_use_found()
    if not permit.window.holds(Span(contact.started_at, contact.ended_at)):
        yield _permit_finding("PERMIT-WINDOW", "began or ended outside the permitted window", "medium")
    # Of a person who was erased since, nobody knows the permitted crew: what cannot be shown is not held against them.
    if contact.channel == "visit" and not permit.erased and not set(contact.crew) <= set(permit.crew):
        yield _permit_finding("PERMIT-CREW", "a collector at the door is not of the permitted crew")
    if evidence.use_came_late and not second:
        yield _permit_finding(USE_LATE, "the use came only with the record of the contact", "medium")
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


def _question(contact: ContactRecorded, permit: Permit | None, facts: PartyFacts) -> Question:
    return Question(
        party_id=contact.party_id,
        case_id=None,
        subject_id=contact.visit_id or contact.plan_id or contact.contact_id,
        channel=contact.channel,
        purpose=contact.purpose,
        jurisdiction=facts.jurisdiction or "",
        zones=(),  # those of the evidence: where the person was known to be
        span=Span(contact.started_at, contact.ended_at),
        duration=contact.ended_at - contact.started_at,
        crew=tuple(contact.crew),
        debts=permit.debts if permit is not None else None,
        keys=keys_of(contact, permit, facts),
        now=contact.started_at,
        real_now=contact.started_real,
    )


def _rule_findings(contact: ContactRecorded, evidence: Evidence, book: RuleBook) -> Iterator[Finding]:
    """Judged on each view of the facts by the rules of the permit.

    Who could not know has done nothing wrong: conduct is what was refused both on what was known as the contact began,
    so that a leave given in time counts, and on what was known a freshness limit before.
    """
    harm = _breaches(contact, evidence.permit, evidence.facts, book)
    then = [_breaches(contact, evidence.permit, facts, book) for facts in evidence.known] or [harm]
    conduct = {rule_id: one for rule_id, one in then[0].items() if all(rule_id in other for other in then)}
    for rule_id, (rule, detail) in (conduct | harm).items():
        yield Finding(
            rule.id, rule.citation, rule.severity if rule_id in conduct else "low", detail, conduct=rule_id in conduct,
            harm=rule_id in harm,
        )  # fmt: skip


def _breaches(
    contact: ContactRecorded, permit: Permit | None, facts: PartyFacts, book: RuleBook
) -> dict[str, tuple[Rule, str]]:
    """The rules in force on the contact's local dates that concern it, as far as is known, and refuse it; and why."""
    question = _question(contact, permit, facts)
    # Holds forbid to begin a contact: what came up during it, such as a plan signed at the door, breaks none.
    beginning = structs.replace(question, span=Span(question.span.start, question.span.start + timedelta.resolution))
    held = frozenset(hold.kind for hold in facts.holds)
    asked = audited(question, facts, book)
    judged = (
        (rule, _breach(rule, contact, beginning if isinstance(rule, HoldRule) else question, facts, book))
        for rule in asked
        if not isinstance(rule, HoldRule) or not held.isdisjoint(rule.hold_kinds)
    )
    own = {rule.id: (rule, detail) for rule, detail in judged if detail is not None}
    if not facts.sharers:
        return own
    return own | _breaches_of_sharers(contact, question, facts, book, besides={rule.id for rule in asked})


def _breaches_of_sharers(
    contact: ContactRecorded, question: Question, facts: PartyFacts, book: RuleBook, *, besides: Collection[str]
) -> dict[str, tuple[Rule, str]]:
    """The caps of the laws of those who share a key that the contact broke; of each rule by how much at most."""
    most: dict[str, tuple[CapRule, int]] = {}
    for rule, narrowed in caps_of_sharers(question, facts, book, besides=besides):
        over = _over(rule, contact, narrowed, facts) if passed(rule, narrowed, facts) is None else None
        if over is not None and over > most.get(rule.id, (rule, 0))[1]:
            most[rule.id] = rule, over
    return {rule_id: (rule, f"{_too_many(rule, over)}, {FOR_A_SHARER}") for rule_id, (rule, over) in most.items()}


def _breach(rule: Rule, contact: ContactRecorded, question: Question, facts: PartyFacts, book: RuleBook) -> str | None:
    match rule:
        case CapRule():
            over = _over(rule, contact, question, facts) if passed(rule, question, facts) is None else None
            return None if over is None else _too_many(rule, over)
        case EvidenceRule():
            attested = book.attested(question.jurisdiction or None).on(contact.started_at.date())
            return None if shown(rule, contact, attested=attested) else f"not recorded: {rule.proof}"
        case ConductRule():
            flags = misconduct(rule, contact.conduct_flags)
            return f"reported: {', '.join(flags)}" if flags else None
        case HoursRule() if (zones := question.candidate_zones(facts)) and within_hours(rule, question.span, zones):
            return None
    ruling = judge_rule(rule, question, facts, book)
    return ruling.detail if ruling.refuses else None


def _too_many(rule: CapRule, number: int) -> str:
    return f"number {number} where {rule.limit} in {rule.window} are allowed"


def _over(rule: CapRule, contact: ContactRecorded, question: Question, facts: PartyFacts) -> int | None:
    """Which number the contact is where fewer are allowed; None: it is not over the limit.

    `facts.counted` and `facts.shared` hold the contacts made before, not reservations: those have harmed nobody.

    Of two contacts where one is allowed, the later one is too many, in whichever order they were told.
    """
    zones = question.candidate_zones(facts)
    if not zones or not _counts_as(contact, rule.unit):
        return None
    dates = local_dates(contact.started_at, zones)
    before = matching_each(rule, (*facts.counted, *facts.shared), question)
    full = [busiest(of_one, dates, rule.window) for of_one in before if len(of_one) >= rule.limit]
    most = max(full, default=0)
    return most + 1 if most >= rule.limit else None


def _counts_as(contact: ContactRecorded, unit: Unit) -> bool:
    return _unanswered(contact) if unit == "unanswered" else bool(getattr(contact, unit))


def _unanswered(contact: ContactRecorded) -> bool:
    return contact.attempt and not contact.contact


def verdict(findings: Iterable[Finding]) -> Literal["lawful", "violation"]:
    """`lawful`, or `violation` when a rule was broken on the facts then known."""
    return "violation" if any(finding.conduct for finding in findings) else "lawful"
