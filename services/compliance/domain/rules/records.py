"""Rules judged of what was done or is kept: evidence, conduct, plan terms, retention, recurring duties."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services.compliance.domain.rule_records import (
    ConductRule,
    DutyRule,
    EvidenceRule,
    PlanTermsRule,
    RetainRule,
    Rule,
)
from shared.events.contact import ConductFlag, ContactRecorded

_SATURDAY: Final = 5


def shown(rule: EvidenceRule, contact: ContactRecorded, *, attested: Collection[str] = ()) -> bool:
    """Whether the record of the contact shows what the rule asks for.

    `attested`: facts of its crews' procedure for which the bank stands in, where the record itself says nothing.
    """
    match rule.proof:
        case "identity_shown":  # there is nobody to show it to when the door stays closed
            return contact.identity_shown is True or not (contact.contact or contact.household_contacted)
        case "recording_complete":  # an unanswered call has nothing to record
            return contact.recording_complete is True or (contact.channel == "call" and not contact.contact)
        case "not_disclosed_to_third":
            return not contact.debt_disclosed_to_third
        case "entry_consented":  # who stays outside needs no consent; not said is not shown
            outside = "stays_outside" in attested if contact.entered_home is None else not contact.entered_home
            return outside or contact.entry_consented is True
        case "left_when_asked":
            stayed = "leaves_when_asked" not in attested if contact.asked_to_leave is None else contact.asked_to_leave
            return not stayed or contact.left_when_asked is True


def misconduct(rule: ConductRule, flags: Iterable[str]) -> list[ConductFlag]:
    """The conduct reported or heard that the rule forbids: end the contact, open a finding."""
    seen = set(flags)
    return [flag for flag in rule.flags if flag in seen]


def plan_faults(rule: PlanTermsRule, *, months: int, contents: Collection[str]) -> list[str]:
    """What of a plan's terms the rule forbids, in words; empty when it may be signed."""
    faults = [f"lacks {one}" for one in rule.required if one not in contents]
    faults += [f"contains {one}" for one in rule.forbidden if one in contents]
    if rule.max_months is not None and months > rule.max_months:
        faults.append(f"{months} months, at most {rule.max_months} are allowed")
    return faults


@dataclass(frozen=True, slots=True)
class Kept:
    """Until when records are kept, and by which rule; `until` None: no end is known, so there is none yet.

    `rule` None: no rule says how long such records are kept.
    """

    until: date | None
    rule: RetainRule | None


def keep_until(
    rules: Iterable[Rule], *, records: str, last_contact: date, paid_off: date | None, last_record: date | None = None
) -> Kept:
    """Until when records of the sort are kept: the latest of all minima. Where no rule says how long, they are kept.

    `last_contact`: the last collection activity; `last_record`: the newest record of the sort (None: that activity).
    `paid_off` is None while the debt runs, or when nobody knows.
    """
    newest = last_record or last_contact
    own = [rule for rule in rules if isinstance(rule, RetainRule) and _speaks_of(rule, records)]
    found: list[tuple[date, RetainRule]] = []
    for rule in [one for one in own if not one.fallback] or own:
        start = newest if rule.counted_from == "record" else max(newest, last_contact)
        if rule.until_paid_off:
            if paid_off is None:
                return Kept(None, rule)
            found.append((max(paid_off, start), rule))
        if rule.years is not None:
            found.append((_years_after(start, rule.years), rule))
    if not found:
        return Kept(None, None)
    until, rule = max(found, key=lambda one: (one[0], one[1].id))
    return Kept(until, rule)


def _speaks_of(rule: RetainRule, records: str) -> bool:
    return not rule.most and not {records, "all"}.isdisjoint(rule.records)


def due_at(rule: DutyRule, caused_at: datetime) -> datetime:
    """From when on what answers the cause is late: after so many hours, or when the last day allowed (UTC) is over."""
    if rule.within_hours is not None:
        return caused_at + timedelta(hours=rule.within_hours)
    day = caused_at.date() + timedelta(days=rule.within_days or 0)
    for _ in range(rule.within_working_days or 0):
        day += timedelta(days=1)
        while day.weekday() >= _SATURDAY:
            day += timedelta(days=1)
    return datetime.combine(day + timedelta(days=1), time(0), UTC)


def overdue(rule: DutyRule, *, now: datetime, last_done: date | None, caused_at: datetime | None = None) -> bool:
    """Whether the duty should have been done (again) by now. `caused_at`: of what it answers, such as a complaint."""
    if rule.answers_a_cause:
        answered = last_done is not None and caused_at is not None and last_done >= caused_at.date()
        return caused_at is not None and not answered and due_at(rule, caused_at) <= now
    if last_done is None:
        return True
    return rule.every_days is not None and now.date() - last_done > timedelta(days=rule.every_days)


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return date(day.year + years, 3, 1)
