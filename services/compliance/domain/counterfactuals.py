"""Which single fact would have changed a refusal: found by judging again with it changed, never guessed.

Candidates come from the rules that refuse. They are tried from the smallest intervention to the greatest: another
moment soon, what somebody could find out, what somebody could permit, a later moment, a hold or a wish that did not
stand, a contact that was not made. The first that turns the refusal into an allow is the answer. Where no single one
does, several of which none can be spared; where all together do not, it is said that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

from msgspec.structs import replace

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.facts import (
    Balance,
    Counted,
    Inconvenient,
    Override,
    PartyFacts,
    Question,
    Requested,
    ThirdPersonAsked,
    Told,
)
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import CapRule, CrewRule, HoldRule, Rule, RuleBook
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import (
    GateRule,
    LetterRule,
    PreferenceRule,
    RequiresRule,
    ThirdPersonRule,
)
from services.compliance.domain.rulings import Answer

ChangeKind = Literal["soon", "found_out", "permitted", "later", "hold_ended", "wish_withdrawn", "contact_not_made"]
# What makes a deny of an allow (`domain.narrow_allows`).
DenyingKind = Literal[
    "permission_withdrawn", "moved", "contact_made", "known_otherwise", "wish_made", "hold_placed"
]  # fmt: skip
# In the order in which they are tried.
KINDS: Final[tuple[ChangeKind, ...]] = get_args(ChangeKind)
_SOON: Final = timedelta(days=31)
_LONG: Final = timedelta(days=3_660)
_NOBODY: Final = UUID(int=0)
_CONTACTS_TRIED: Final = 30
_FactsChange = Callable[[PartyFacts], PartyFacts]


@dataclass(frozen=True, slots=True)
class Change:
    """One fact otherwise than it was: `subject` names it, `was` and `would_be` what it was and would have been."""

    kind: ChangeKind | DenyingKind
    subject: str
    was: Json
    would_be: Json
    apply: Callable[[JudgedOn], JudgedOn]


def counterfactual(judged_on: JudgedOn, book: RuleBook) -> tuple[Change, ...]:
    """The one change that would have made the refusal an allow; several where only several together would have.

    Empty for an allow, for what the desk itself refused, and where no change that is known here would have.
    """
    decision = judged_on.decide(book)
    if decision.answer is Answer.ALLOW or judged_on.refused_by is not None:
        return ()
    found = {
        (one.kind, one.subject): one
        for ruling in decision.refusals
        for one in (*_of_rule(ruling.rule, judged_on), *_permission(ruling.rule, judged_on.question))
    }
    candidates = list(found.values())
    if decision.earliest is not None and decision.earliest.at is not None:
        candidates.append(_moment(judged_on.question, decision.earliest.at))
    candidates.sort(key=lambda one: KINDS.index(one.kind))
    for one in candidates:
        if applied(judged_on, [one]).decide(book).answer is Answer.ALLOW:
            return (one,)
    return _together(judged_on, book, candidates)


def applied(judged_on: JudgedOn, changes: Sequence[Change]) -> JudgedOn:
    """What would have been judged on."""
    for one in changes:
        judged_on = one.apply(judged_on)
    return judged_on


def as_of_times(judged_on: JudgedOn) -> dict[str, datetime]:
    """Since when each fact was so, or when it was last known to be: business time, but real time for what the platform
    itself measures (balance, watermarks)."""
    facts = judged_on.facts
    times: dict[str, datetime] = {f"told.{name}": told.as_of for name, told in facts.told.items()}
    times |= {f"hold.{hold.hold_id}": hold.valid_from for hold in facts.holds}
    times |= {f"watermark.{name}": moment for name, moment in facts.freshness.watermarks.items() if moment is not None}
    times |= {
        f"override.{rule}.{one.evidence}": one.valid.start for rule, all_ in facts.overrides.items() for one in all_
    }
    if facts.balance is not None:
        times["balance"] = facts.balance.as_of
    return dict(sorted(times.items()))


def _together(judged_on: JudgedOn, book: RuleBook, candidates: Sequence[Change]) -> tuple[Change, ...]:
    """All of them less those that can be spared, the hardest to bring about first; another moment is none of them."""
    needed = [one for one in candidates if one.kind not in ("soon", "later")]
    if applied(judged_on, needed).decide(book).answer is not Answer.ALLOW:
        return ()
    for one in list(reversed(needed)):
        rest = [other for other in needed if other is not one]
        if applied(judged_on, rest).decide(book).answer is Answer.ALLOW:
            needed = rest
    return tuple(needed)


def _of_rule(rule: Rule, judged_on: JudgedOn) -> Iterator[Change]:
    """What could be otherwise for this rule."""
    question, facts = judged_on.question, judged_on.facts
    match rule:
        case RequiresRule():
            notice = timedelta(hours=rule.notice_hours or 0)
            yield from (_told(name, judged_on, before=timedelta()) for name in rule.unless)
            yield from (_told(name, judged_on, before=notice) for name in rule.facts)
        case GateRule():
            needed = tuple(_failed_attempts(rule, judged_on))
            yield _found_out(
                "failed_attempts", "too few", f"{len(needed)} lawful ones, in vain",
                lambda one: replace(one, counted=(*one.counted, *needed)),
            )  # fmt: skip
        case HoldRule():
            touching = (hold for hold in facts.holds if hold.kind in rule.hold_kinds and hold.touches(question.span))
            standing = list(touching)
            yield from map(_hold_ended, standing)
            yield from _about_other_debts(standing, judged_on)
        case CapRule():
            lately = sorted((one for one in facts.counted if one.channel in rule.channels), key=lambda one: one.span)
            yield from map(_contact_not_made, reversed(lately[-_CONTACTS_TRIED:]))
            if rule.counts_others and facts.shared:
                yield _contacts_of_others_not_made()
            since = question.span.start.date() - _LONG
            yield _found_out("history_known_from", None, since.isoformat(), _known(history_known_from=since))
            attested = dict.fromkeys(facts.sharers_known_from, since)
            yield _found_out("sharers_known_from", None, since.isoformat(), _known(sharers_known_from=attested))
        case PreferenceRule() if facts.inconvenient is None:
            yield _found_out("preferences", None, "none", _known(inconvenient=()))
        case PreferenceRule():
            yield from map(_wish_withdrawn, facts.inconvenient or ())
        case LetterRule():
            parts = frozenset(rule.required)
            yield _found_out(
                ",".join(sorted(parts - (facts.letter or frozenset()))), "not in the letter", "in the letter",
                lambda one: replace(one, letter=(one.letter or frozenset()) | parts),
            )  # fmt: skip
        case ThirdPersonRule() if facts.third_person is None or not facts.third_person.complete:
            was = None if facts.third_person is None else "not known for all the time"
            refused = facts.third_person is not None and facts.third_person.refused
            asked = ThirdPersonAsked(complete=True, refused=refused)
            yield _found_out("third_person", was, "never asked", _known(third_person=asked))
        case CrewRule():
            crew = (*question.crew, *(UUID(int=number) for number in range(1, rule.minimum + 1)))
            yield _asked_otherwise("crew", len(set(question.crew)), rule.minimum, crew=crew)
        case _:
            yield from _of_platform(rule.kind, judged_on)


def _of_platform(kind: str, judged_on: JudgedOn) -> Iterator[Change]:
    question, facts = judged_on.question, judged_on.facts
    match kind:
        case "party_known":
            yield _found_out("party", "not known", "known", _known(known=True, held=False, case_id=question.case_id))
        case "case_open":
            yield _found_out(
                "case", "not open", "open", _known(case_open=True, case_version=max(1, facts.case_version))
            )
        case "jurisdiction_known":
            place = question.jurisdiction
            yield _found_out("jurisdiction", facts.jurisdiction, place, _known(jurisdiction=place))
        case "zones_known":
            yield _found_out("zones", list(facts.zones), list(question.zones), _known(zones=question.zones))
        case "facts_fresh" | "log_current":
            fresh = replace(
                facts.freshness, watermarks=dict.fromkeys(facts.freshness.watermarks, question.real_now), named_by=(),
                silent_feeds={}, log_waits_since=None,
            )  # fmt: skip
            yield _found_out("freshness", "behind", "up to date", _known(freshness=fresh))
        case "balance_owed":
            owed = Balance(as_of=question.real_now, overdue_minor={"-": 1}, digest="")
            was = None if facts.balance is None else facts.balance.owes
            yield _found_out("balance", was, "confirmed as overdue", _known(balance=owed))
        case "versions_seen":
            yield _asked_otherwise("versions", dict(question.versions), "none later than known here", versions={})
        case "customer_request":
            own = Requested(
                channels=frozenset({question.channel}),
                at=min(question.now, question.span.start),
                until=question.span.end,
            )
            # One more than is used up already.
            yield _found_out(
                "customer_request", "none that covers it", "recorded",
                lambda one: replace(one, requested=(*one.requested, *(own for _ in range(len(one.counted) + 1)))),
            )  # fmt: skip
        case "bound_to_place":
            device, place = question.device_id or "named", question.place_cell or "named"
            yield _asked_otherwise("device_and_place", "not both named", "named", device_id=device, place_cell=place)


def _permission(rule: Rule, question: Question) -> Iterator[Change]:
    """What a consent or a supervisor's decision could pass."""
    if rule.override == "none":
        return
    given = Override(by=rule.override, evidence=_NOBODY, valid=question.span)

    def permitted(facts: PartyFacts) -> PartyFacts:
        return replace(facts, overrides={**facts.overrides, rule.id: (*facts.overrides.get(rule.id, ()), given)})

    yield Change("permitted", rule.id, None, rule.override, _facts(permitted))


def _moment(question: Question, at: datetime) -> Change:
    """The earliest moment that the decision itself found, by asking all rules again."""
    kind: ChangeKind = "soon" if at - question.span.start <= _SOON else "later"
    return Change(
        kind, "begins_at", format_time(question.span.start), format_time(at),
        lambda one: replace(one, question=one.question.at(at)),
    )  # fmt: skip


def _failed_attempts(rule: GateRule, judged_on: JudgedOn) -> Iterator[Counted]:
    """Attempts that would have opened the gate: one on each of so many dates before the contact."""
    question, facts = judged_on.question, judged_on.facts
    for days in range(1, rule.failures + 1):
        start = question.span.start - timedelta(days=days)
        yield Counted(
            channel=rule.counted_channels[0], purpose=question.purpose, span=Span(start, start),
            zones=question.candidate_zones(facts), contact=False, conversation=False, household_contacted=False,
            debtor_met=False, lawful=True, place="designated" if rule.gate == "missed_appointments" else None,
        )  # fmt: skip


def _told(name: FactName, judged_on: JudgedOn, *, before: timedelta) -> Change:
    """`before`: for how long it would have had to be so when the contact begins."""
    question, known = judged_on.question, judged_on.facts.told.get(name)
    told = Told(value=True, as_of=min(question.now, question.span.start - before))
    was: Json = None if known is None else {"value": known.value, "as_of": format_time(known.as_of)}
    return _found_out(name, was, True, lambda one: replace(one, told={**one.told, name: told}))


def _about_other_debts(holds: Sequence[Hold], judged_on: JudgedOn) -> Iterator[Change]:
    """The same contact about none of the debts that are on hold, where the person has others."""
    question, known = judged_on.question, judged_on.facts.debts
    held = {hold.scope_key for hold in holds if hold.scope == "loan"}
    others = frozenset(one for one in known if scope_key_of_debt(one) not in held)
    if held and others:
        was = sorted(map(str, question.debts)) if question.debts else "all"
        yield _asked_otherwise("debts", was, sorted(map(str, others)), debts=others)


def _hold_ended(hold: Hold) -> Change:
    was = f"{hold.kind} since {format_time(hold.valid_from)}"
    return Change(
        "hold_ended", str(hold.hold_id), was, "ended",
        _facts(lambda one: replace(one, holds=tuple(each for each in one.holds if each.hold_id != hold.hold_id))),
    )  # fmt: skip


def _wish_withdrawn(wish: Inconvenient) -> Change:
    hours = "at all times" if wish.opens is None or wish.closes is None else f"{wish.opens:%H:%M}-{wish.closes:%H:%M}"
    return Change(
        "wish_withdrawn", ",".join(sorted(wish.channels)), hours, "not inconvenient",
        _facts(lambda one: replace(one, inconvenient=tuple(each for each in one.inconvenient or () if each != wish))),
    )  # fmt: skip


def _contact_not_made(contact: Counted) -> Change:
    return Change(
        "contact_not_made", f"{contact.channel} at {format_time(contact.span.start)}", "counted", "not made",
        _facts(lambda one: replace(one, counted=tuple(each for each in one.counted if each is not contact))),
    )  # fmt: skip


def _contacts_of_others_not_made() -> Change:
    """All of them together: which of them it was, and when, says something of somebody else."""
    return Change(
        "contact_not_made", "contacts with others who share a key", "counted", "not made",
        _facts(lambda one: replace(one, shared=())),
    )  # fmt: skip


def _found_out(subject: str, was: Json, would_be: Json, change: _FactsChange) -> Change:
    return Change("found_out", subject, was, would_be, _facts(change))


def _asked_otherwise(subject: str, was: Json, would_be: Json, **changes: object) -> Change:
    return Change(
        "found_out", subject, was, would_be,
        lambda one: replace(one, question=replace(one.question, **changes)),
    )  # fmt: skip


def _known(**changes: object) -> _FactsChange:
    return lambda one: replace(one, **changes)


def _facts(change: _FactsChange) -> Callable[[JudgedOn], JudgedOn]:
    return lambda one: replace(one, facts=change(one.facts))
