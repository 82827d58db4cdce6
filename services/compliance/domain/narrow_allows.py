"""Which single fact would have made a deny of an allow: found by judging again with it changed, never guessed.

Candidates come from the rules that were asked. They are tried from what was nearest at hand to the farthest: a
permission that had not been given, another moment of the same day, more contacts made before, what is known said
otherwise, a wish, a hold. The first that turns the allow into a deny is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.counterfactuals import Change, DenyingKind, applied
from services.compliance.domain.facts import Counted, Inconvenient, PartyFacts, Question, ThirdPersonAsked, Told
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.judging import applicable
from services.compliance.domain.local_time import Span, local_date
from services.compliance.domain.packs import CapRule, CrewRule, HoldRule, Rule, RuleBook
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import (
    GateRule,
    LetterRule,
    PreferenceRule,
    RequiresRule,
    ThirdPersonRule,
)
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.domain.rules.sharers import caps_of_sharers
from services.compliance.domain.rulings import Answer

_MINUTE: Final = timedelta(minutes=1)
_MOST_CONTACTS: Final = 10
_NOBODY: Final = UUID(int=0)
_Apply = Callable[[JudgedOn], JudgedOn]


def what_would_deny(judged_on: JudgedOn, book: RuleBook) -> tuple[Change, ...]:
    """The one change nearest at hand that would have made a deny of the allow.

    Empty for a refusal, and where no change that is known here would have.
    """
    if judged_on.decide(book).answer is not Answer.ALLOW:
        return ()
    question, facts = judged_on.question, judged_on.facts.without(judged_on.replaces)
    rules = applicable(question, facts, book, stage="grant")
    rules += [rule for rule, _ in caps_of_sharers(question, facts, book, besides={rule.id for rule in rules})]
    for one in _candidates(rules, judged_on):
        if applied(judged_on, [one]).decide(book).answer is Answer.DENY:
            return (one,)
    return ()


def _candidates(rules: list[Rule], judged_on: JudgedOn) -> Iterator[Change]:
    yield from (_withdrawn(rule, judged_on) for rule in rules if rule.id in judged_on.facts.overrides)
    yield from _other_moments(rules, judged_on)
    if any(isinstance(rule, CapRule) for rule in rules):
        yield from (_more_contacts(count, judged_on.question) for count in range(1, _MOST_CONTACTS + 1))
    for rule in rules:
        yield from _known_otherwise(rule, judged_on)
    if any(isinstance(rule, PreferenceRule) for rule in rules):
        yield _wish(judged_on.question)
    yield from (_hold(rule, judged_on.question) for rule in rules if isinstance(rule, HoldRule) and not rule.needs_fact)


def _withdrawn(rule: Rule, judged_on: JudgedOn) -> Change:
    def withdraw(facts: PartyFacts) -> PartyFacts:
        return replace(facts, overrides={name: all_ for name, all_ in facts.overrides.items() if name != rule.id})

    given = ", ".join(sorted({one.by for one in judged_on.facts.overrides[rule.id]}))
    return _change("permission_withdrawn", rule.id, given, None, _facts(withdraw))


def _other_moments(rules: list[Rule], judged_on: JudgedOn) -> Iterator[Change]:
    """A minute too late or too early for the hours of the day, the nearer one first."""
    question = judged_on.question
    zones, hours = question.candidate_zones(judged_on.facts), hours_rules(rules, question)
    if not zones or not hours:
        return
    start = question.span.start
    lawful = lawful_span(hours, local_date(start, zones[0]), zones)
    moments = (max(lawful.end - question.duration, start) + _MINUTE, min(lawful.start, start) - _MINUTE)
    for moment in sorted(moments, key=lambda one: abs(one - start)):
        if moment >= question.now:
            yield _moved(start, moment)


def _moved(start: datetime, moment: datetime) -> Change:
    return _change(
        "moved", "begins_at", format_time(start), format_time(moment),
        lambda one: replace(one, question=one.question.at(moment)),
    )  # fmt: skip


def _more_contacts(count: int, question: Question) -> Change:
    """So many more of the same channel and purpose, just before it was asked, as if they had reached the person."""
    moment = min(question.now, question.span.start) - _MINUTE

    def made(facts: PartyFacts) -> PartyFacts:
        zones = question.candidate_zones(facts)
        contact = Counted(
            channel=question.channel, purpose=question.purpose, span=Span(moment, moment), zones=zones, lawful=True,
            keys=question.keys,
        )  # fmt: skip
        return replace(facts, counted=(*facts.counted, *(contact for _ in range(count))))

    return _change("contact_made", question.channel, "not made", f"{count} more", _facts(made))


def _known_otherwise(rule: Rule, judged_on: JudgedOn) -> Iterator[Change]:
    question, facts = judged_on.question, judged_on.facts
    match rule:
        case RequiresRule():
            yield from (_untrue(name, judged_on) for name in (*rule.unless, *rule.facts))
        case CrewRule():
            crew = question.crew[: rule.minimum - 1]
            yield _change(
                "known_otherwise", "crew", len(set(question.crew)), len(crew),
                lambda one: replace(one, question=replace(one.question, crew=crew)),
            )  # fmt: skip
        case GateRule():
            yield _known("failed_attempts", "made", "not made", counted=())
        case LetterRule():
            yield _known("letter", sorted(facts.letter or ()), [], letter=frozenset())
        case ThirdPersonRule():
            yield _known("third_person", "has not refused", "refused", third_person=ThirdPersonAsked(refused=True))
        case _ if rule.kind == "case_open":
            yield _known("case", "open", "not open", case_open=False)
        case _ if rule.kind == "balance_owed" and facts.balance is not None:
            yield _known("balance", "overdue", "nothing overdue", balance=replace(facts.balance, overdue_minor={}))


def _untrue(name: FactName, judged_on: JudgedOn) -> Change:
    told = judged_on.facts.told
    untrue = Told(value=False, as_of=min(judged_on.question.now, judged_on.question.span.start))
    was: Json = told[name].value if name in told else "attested"
    return _known(name, was, would_be=False, told={**told, name: untrue})


def _wish(question: Question) -> Change:
    never = Inconvenient(channels=frozenset({question.channel}))
    return _change(
        "wish_made", question.channel, "not inconvenient", "inconvenient at all times",
        _facts(lambda one: replace(one, inconvenient=(*(one.inconvenient or ()), never))),
    )  # fmt: skip


def _hold(rule: HoldRule, question: Question) -> Change:
    kind, since = rule.hold_kinds[0], min(question.now, question.span.start)
    hold = Hold(
        hold_id=_NOBODY, party_id=question.party_id, kind=kind, scope="party", valid_from=since, valid_to=None,
        source_ref="counterfactual", recorded_real=question.real_now,
    )  # fmt: skip
    return _change(
        "hold_placed", kind, "no hold", "on hold", _facts(lambda one: replace(one, holds=(*one.holds, hold)))
    )


def _known(subject: str, was: Json, would_be: Json, **changes: object) -> Change:
    return _change(
        "known_otherwise", subject, was, would_be, _facts(lambda one: replace(one, **changes))
    )  # fmt: skip


def _change(kind: DenyingKind, subject: str, was: Json, would_be: Json, apply: _Apply) -> Change:
    return Change(kind, subject, was, would_be, apply)


def _facts(change: Callable[[PartyFacts], PartyFacts]) -> _Apply:
    return lambda one: replace(one, facts=change(one.facts))
