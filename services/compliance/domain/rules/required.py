"""What must be true before a contact: notices, licences, training, permissions; and what a letter must contain."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from services.compliance.domain.dossier import DEBT_NOTICE
from services.compliance.domain.facts import Counted, PartyFacts, Question, Told
from services.compliance.domain.local_time import midnight_after
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_parts import FactName, Lapse
from services.compliance.domain.rule_records import LetterRule, RequiresRule, ThirdPersonRule
from services.compliance.domain.rules.caps import busiest, next_free
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until, needs

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


def judge_required(rule: RequiresRule, question: Question, facts: PartyFacts, book: RuleBook) -> Ruling:
    """Every fact is known, true and young enough. What a service told goes before what the bank attested."""
    if rule.grace_days is not None and _in_grace(rule.grace_days, question, facts, about=question.keys.get("debt")):
        return allow(rule, grace_days=rule.grace_days)
    instead = next((name for name in rule.unless if _holds(name, rule, question, facts, book)), None)
    if instead is not None:
        return allow(rule, facts=[instead])
    since: datetime | None = None
    unknown: list[FactName] = []
    for name in rule.facts:
        told = facts.told.get(name)
        if told is None:
            if not _attested(name, question, facts, book):
                unknown.append(name)
        elif _too_old(told, rule, question) or (name == DEBT_NOTICE and _lacks_notice(rule, question, facts)):
            unknown.append(name)
        elif not told.value:
            lapses = _lapses_at(rule.lapse, told, facts)
            if lapses is None:
                return deny_after(rule, name, f"{name} is not so", fact=name)
            if question.span.start < lapses:
                return deny_until(rule, lapses, f"{name} is not so, by word of mouth", fact=name)
        else:
            since = told.as_of if since is None else max(since, told.as_of)
    if unknown:
        return needs(rule, unknown[0], f"not known, or too old: {', '.join(unknown)}", missing=list(unknown))
    if rule.notice_hours is not None and since is not None:
        ready = since + _HOUR * rule.notice_hours
        if question.span.start < ready:
            return deny_until(rule, ready, "not so for long enough", notice_hours=rule.notice_hours)
    return allow(rule, facts=list(rule.facts))


def judge_letter(rule: LetterRule, question: Question, facts: PartyFacts) -> Ruling:
    """The letter's template contains what the law asks for."""
    if question.channel != "letter":
        return allow(rule)
    if facts.letter is None:
        return needs(rule, "letter.template_approved", "what the letter contains is not known")
    missing = [element for element in rule.required if element not in facts.letter]
    if missing:
        return deny_after(rule, "letter.template_approved", f"the letter lacks {', '.join(missing)}", missing=missing)
    return allow(rule, contains=list(rule.required))


def judge_third_person(rule: ThirdPersonRule, question: Question, facts: PartyFacts) -> Ruling:
    """A refusal binds for ever; where the ledger cannot say who was asked when, nobody is asked."""
    zones = question.candidate_zones(facts)
    asked = facts.third_person
    if asked is None or not zones:
        return needs(rule, "third_person.computed", "whether the third person was asked before cannot be computed")
    if asked.refused:
        return deny_after(rule, NEVER, "the third person refused")
    if rule.limit is None:
        return allow(rule)
    if not asked.complete:
        return deny_after(rule, NEVER, "the look-back reaches before the attested history: counted as full")
    counted = [frozenset({day}) for day in asked.dates]
    dates = question.local_dates(facts)
    most = busiest(counted, dates, rule.window)
    if most < rule.limit:
        return allow(rule, count=most, limit=rule.limit)
    detail = f"the third person was asked {most} times, {rule.limit} in {rule.window} are allowed"
    free = next_free(rule.window, rule.limit, [counted], max(dates))
    return deny_after(rule, NEVER, detail) if free is None else deny_until(rule, midnight_after(free, zones), detail)


def _holds(name: FactName, rule: RequiresRule, question: Question, facts: PartyFacts, book: RuleBook) -> bool:
    told = facts.told.get(name)
    if told is None:
        return _attested(name, question, facts, book)
    return told.value and not _too_old(told, rule, question)


def _may_concern(contact: Counted, debts: frozenset[str] | None) -> bool:
    """Whether the contact may have been about one of the debts: where it says of none, or none is known, it may."""
    own = contact.keys.get("debt")
    return not own or not debts or not own.isdisjoint(debts)


def _lapses_at(lapse: Lapse | None, refused: Told, facts: PartyFacts) -> datetime | None:
    """When the refusal counts no longer; None: it stays."""
    if lapse is None:
        return None
    written = facts.told.get(lapse.confirmed)
    if written is not None and written.value:
        return None
    return refused.as_of + _DAY * lapse.days


def _too_old(told: Told, rule: RequiresRule, question: Question) -> bool:
    start = question.span.start
    if told.until is not None and start > told.until:
        return True
    return rule.max_age_days is not None and start - told.as_of > _DAY * rule.max_age_days


def _attested(name: FactName, question: Question, facts: PartyFacts, book: RuleBook) -> bool:
    until = book.attested(facts.jurisdiction).facts.get(name)
    return until is not None and max(question.local_dates(facts)) <= until


def _lacks_notice(rule: RequiresRule, question: Question, facts: PartyFacts) -> bool:
    """Whether a debt that it is about has a notice of its own to come, and the time for it is over."""
    wanted = question.keys.get("debt")
    late = {str(debt) for debt in facts.unnoticed}
    late = late & wanted if wanted else late
    return any(
        rule.grace_days is None or not _in_grace(rule.grace_days, question, facts, about=frozenset({debt}))
        for debt in late
    )


def _in_grace(days: int, question: Question, facts: PartyFacts, *, about: frozenset[str] | None) -> bool:
    """Before the first contact about one of these debts (None: about any), and until so many local dates after it."""
    if facts.history_known_from is None:
        return False
    zones = question.candidate_zones(facts)
    since = datetime.combine(facts.history_known_from, time(0), tzinfo=question.span.start.tzinfo)
    over, start = max(question.local_dates(facts)) - _DAY * days, question.span.start
    return bool(zones) and not any(
        one.contact and since <= one.span[1] <= start and min(one.dates()) < over and _may_concern(one, about)
        for one in facts.counted
    )
