"""From the facts of a case to the next action: total, pure, and in an order that is the law of this room.

1. What forbids contact: the end of the case, death, a suspension, a hold, a complaint, a plan or promise under way.
2. What a person must look at, and help for whoever told of a difficulty.
3. The softer steps, each done or taken now; time alone only makes the next one possible, and never takes its place.
4. Legal review for what is very late; a visit where every line of the policy says yes; else waiting.

The score is looked at in 3 alone, where it gives the customer time or brings help forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, Literal

from msgspec import Struct

from services.intake.strategy.history import (
    ActiveHold,
    KindStep,
    PastFact,
    newest,
    newest_told,
    plan_under_way,
    since,
    softer_steps,
)
from services.intake.strategy.policy import LASTING, Policy, Step
from shared.events.case import Bucket, NextAction
from shared.events.contact import Channel

_NEEDS_PHONE: Final = frozenset({"sms", "call"})
_NEEDS_HOME: Final = frozenset({"letter", "visit"})


CaseStatus = Literal["new", "open", "cured", "closed"]


class CaseState(Struct, frozen=True):
    """What a choice looks at. `days` and `bucket` are effective, on the business date `as_of`.

    `late_since`: due date of the oldest unpaid item. `history`: as far back as it is kept. `cure_permille` None: no
    score may be shown. `was_under`: kinds of holds that stood at some time of this arrears.
    """

    status: CaseStatus
    held: bool
    suspended: tuple[str, ...]
    bucket: Bucket
    days: int
    as_of: date
    late_since: date
    overdue_minor: tuple[tuple[str, int], ...]
    has_phone: bool
    has_home: bool
    today: date
    holds: tuple[ActiveHold, ...] = ()
    was_under: tuple[str, ...] = ()
    history: tuple[PastFact, ...] = ()
    cure_permille: int | None = None
    score_days_old: int = 0


class Choice(Struct, frozen=True):
    """The next action, why, and by which rule. `next_on`: when time alone can change it; None: only a fact can."""

    action: NextAction
    reasons: tuple[str, ...]
    rule: str
    next_on: date | None = None


class Walked(Struct, frozen=True):
    """A softer step: what must be done for it, and the day on which it was; None: not done yet."""

    step: Step
    by: KindStep | None
    done_on: date | None


def choose(policy: Policy, case: CaseState) -> Choice:
    """The next action. What is not known waits; nothing here raises."""
    facts = since(case.history, case.late_since)
    return (
        _forbidden(policy, case, facts)
        or _for_a_person(policy, case, facts)
        or _difficulty(policy, case, facts)
        or _softer(policy, case, facts)
        or _late(policy, case)
        or _visit(policy, case, facts)
    )


def _wait(rule: str, *reasons: str, until: date | None = None) -> Choice:
    return Choice("wait", reasons, rule, until)


def _forbidden(policy: Policy, case: CaseState, facts: Sequence[PastFact]) -> Choice | None:
    if case.status != "open":
        return _wait("not-open", "not_open")
    never = sorted({*case.suspended, *(hold.kind for hold in case.holds)}.intersection(policy.never))
    if never:
        return Choice("never", tuple(never), "never")
    if case.held:
        return _wait("unknown-party", "party_unknown")
    if case.suspended:
        return _wait("suspended", *case.suspended)
    stopping = [hold for hold in case.holds if hold.channels is None]
    if stopping:
        ends = [hold.until for hold in stopping]
        until = None if None in ends else max(end for end in ends if end is not None)
        return _wait("hold", *sorted({hold.kind for hold in stopping}), until=until)
    if plan_under_way(case.history):
        return _wait("plan", "plan_under_way")
    complaint = newest(facts, {"complaint"})
    if complaint is not None and case.today < (over := complaint.on + timedelta(days=policy.complaint_days)):
        return _wait("complaint", "complaint", until=over)
    promise = newest(facts, {"promise"})
    if promise is not None and case.today < (due := promise.on + timedelta(days=policy.promise_days)):
        return _wait("promise", "promise", until=due)
    return None


def _for_a_person(policy: Policy, case: CaseState, facts: Sequence[PastFact]) -> Choice | None:
    """What was found at the door is looked at by a person, who says that it was; only then it goes on."""
    told = newest_told(facts, policy.review.after)
    seen = newest(facts, {"legal_review"})
    if told is not None and (seen is None or seen.on < told[0]):
        return Choice("legal_review", (told[1],), "review")
    visits = sum(fact.kind == "visit" for fact in facts if seen is None or fact.on > seen.on)
    if visits >= policy.visit.most:
        return Choice("legal_review", ("visits_used",), "review")
    return None


def _difficulty(policy: Policy, case: CaseState, facts: Sequence[PastFact]) -> Choice | None:
    told = newest_told(facts, policy.help.told)
    if told is None:
        return None
    offered = newest(facts, {"offer_help"})
    if offered is None or offered.on < told[0]:
        step = next(step for step in policy.step if step.action == "offer_help")
        if _possible(step.channel, case):
            return Choice("offer_help", (told[1],), "difficulty")
        return _wait("unreachable", "channel_impossible", told[1])
    over = offered.on + timedelta(days=policy.help.answer_days)
    return _wait("difficulty", told[1], until=over) if case.today < over else None


def walk(policy: Policy, case: CaseState) -> list[Walked]:
    """The softer steps in the order in which they are taken, with the day on which each was done in this arrears."""
    return list(_walk(policy, case, since(case.history, case.late_since)))


def _walk(policy: Policy, case: CaseState, facts: Sequence[PastFact]) -> Iterator[Walked]:
    left = _deeds(policy, facts)
    for step in _order(policy, case):
        # What takes a step's place stands for that step only: the letter for a call is one letter more.
        kinds = [step.action] if _possible(step.channel, case) or step.instead is None else [step.action, step.instead]
        done = next((kind for kind in kinds if left.get(kind)), None)
        if done is None:
            yield Walked(step, _by(policy, step, case), None)
        else:
            yield Walked(step, done, left[done].pop(0))


def _deeds(policy: Policy, facts: Sequence[PastFact]) -> dict[KindStep, list[date]]:
    """The days on which each softer step was done; what the policy has walked again counts from the breach on."""
    breach = newest(facts, {"plan_broken"})
    deeds: dict[KindStep, list[date]] = {}
    for day, kind in softer_steps(facts, attempts=policy.call_attempts):
        if breach is None or day >= breach.on or kind not in policy.after_breach:
            deeds.setdefault(kind, []).append(day)
    return deeds


def _order(policy: Policy, case: CaseState) -> Sequence[Step]:
    """Softer first; where a cure is unlikely, help is the first of them, at the time of the first."""
    if _cure(policy, case, default=1_000) >= policy.help.early_below_permille:
        return policy.step
    first_days = policy.step[0].from_days
    helping = [step.model_copy(update={"from_days": first_days}) for step in policy.step if step.action == "offer_help"]
    return [*helping, *(step for step in policy.step if step.action != "offer_help")]


def _by(policy: Policy, step: Step, case: CaseState) -> KindStep | None:
    """What takes the place of a step: itself, what the policy names instead, or nothing."""
    if _possible(step.channel, case):
        return step.action
    other = next((one for one in policy.step if one.action == step.instead), None)
    return other.action if other is not None and _possible(other.channel, case) else None


def _softer(policy: Policy, case: CaseState, facts: Sequence[PastFact]) -> Choice | None:
    patience = _patience(policy, case)
    last_answer = _answer_until(policy, facts)
    for walked in _walk(policy, case, facts):
        if walked.done_on is not None:
            continue
        step = walked.step
        if walked.by is None:
            return _wait("unreachable", "channel_impossible", step.action)
        due_days = max(step.from_days, patience + 1)
        if case.days < due_days:
            reason = "self_cure" if case.days <= patience else "not_due_yet"
            return _wait(f"step:{step.action}", reason, until=case.as_of + timedelta(days=due_days - case.days))
        if last_answer is not None and case.today < last_answer:
            return _wait("answer", "time_to_answer", until=last_answer)
        reasons = ("step_due",) if walked.by == step.action else ("step_due", f"instead_of_{step.action}")
        return Choice(walked.by, reasons, f"step:{step.action}")
    if last_answer is not None and case.today < last_answer:
        return _wait("answer", "time_to_answer", until=last_answer)
    return None


def _patience(policy: Policy, case: CaseState) -> int:
    """Days that are left to the customer."""
    mild = policy.self_cure
    is_likely = _cure(policy, case, default=-1) >= mild.likely_from_permille
    return max(mild.days, mild.likely_days) if is_likely else mild.days


def _cure(policy: Policy, case: CaseState, *, default: int) -> int:
    """The chance of a cure, where a score may be shown that is not too old."""
    if case.cure_permille is None or case.score_days_old > policy.self_cure.score_days:
        return default
    return case.cure_permille


def _answer_until(policy: Policy, facts: Sequence[PastFact]) -> date | None:
    """Until when the customer may answer what was done last."""
    days: dict[KindStep, int] = {step.action: step.answer_days for step in policy.step}
    return max(
        (on + timedelta(days=days.get(kind, 0)) for on, kind in softer_steps(facts, attempts=policy.call_attempts)),
        default=None,
    )


def _late(policy: Policy, case: CaseState) -> Choice | None:
    if case.days < policy.review.from_days:
        return None
    return Choice("legal_review", ("very_late",), "review")


def _visit(policy: Policy, case: CaseState, facts: Sequence[PastFact]) -> Choice:
    rule, visit = "visit", policy.visit
    reviewed = newest(facts, {"legal_review"})
    recent = [fact for fact in facts if reviewed is None or fact.on > reviewed.on]
    kept_away = newest_told(sorted(case.history), LASTING) or newest_told(recent, visit.never_after)
    if kept_away is not None:
        return _wait(rule, "no_visit_after", kept_away[1])
    under = sorted({*case.was_under, *(hold.kind for hold in case.holds)}.intersection(visit.never_under))
    if under:
        return _wait(rule, "no_visit_under", *under)
    if not _possible("visit", case):
        return _wait("unreachable", "channel_impossible", "field_visit")
    reviewed_on = case.as_of + timedelta(days=policy.review.from_days - case.days)
    if case.days < visit.from_days:
        until = case.as_of + timedelta(days=visit.from_days - case.days)
        return _wait(rule, "not_late_enough", until=min(until, reviewed_on))
    if case.bucket not in visit.buckets:
        return _wait(rule, "bucket_not_visited", until=reviewed_on)
    least = visit.minimum_overdue_minor
    if not any(currency in least and amount >= least[currency] for currency, amount in case.overdue_minor):
        return _wait(rule, "not_worth_a_visit", until=reviewed_on)
    for kind, days in (("visit", visit.pause_days), ("visit_declined", visit.declined_pause_days)):
        last = newest(facts, {kind})
        if last is not None and case.today < (over := last.on + timedelta(days=days)):
            return _wait(rule, f"after_{kind}", until=min(over, reviewed_on))
    return Choice("field_visit", ("softer_steps_done",), rule)


def _possible(channel: Channel, case: CaseState) -> bool:
    """Whether a channel is open: a point of contact is known, and no hold is on it."""
    if (channel in _NEEDS_PHONE and not case.has_phone) or (channel in _NEEDS_HOME and not case.has_home):
        return False
    return not any(hold.stops(channel) for hold in case.holds)
