"""Gates: closed until lawful attempts have failed. Unlawful attempts, and those nobody judged, never open one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from services.compliance.domain.facts import Counted, PartyFacts, Question
from services.compliance.domain.local_time import midnight_after
from services.compliance.domain.rule_records import GateRule
from services.compliance.domain.rulings import Ruling, allow, deny_after, deny_until, needs

_DAY = timedelta(days=1)


def judge_gate(rule: GateRule, question: Question, facts: PartyFacts) -> Ruling:
    """Open when enough lawful attempts failed before the contact. More of them never close it again."""
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "the person's time zone is not known")
    before = [one for one in facts.counted if one.span.end <= question.span.start]
    match rule.gate:
        case "lost_contact":
            failed = _failed_since_reached(rule, before)
            opened = _lost(_dates(failed), rule.failures)
            if opened is not None and question.span.start < midnight_after(opened, zones):
                return deny_until(rule, midnight_after(opened, zones), "the gate opens on the next local date")
            is_open, count = opened is not None, len(failed)
        case "failed_first":
            count = sum(1 for one in before if one.channel in rule.counted_channels and one.failed)
            is_open = count >= rule.failures
        case "missed_appointments":
            count = _missed_in_a_row(rule, before)
            is_open = count >= rule.failures
    if is_open:
        return allow(rule, failed=count, needed=rule.failures)
    detail = f"{count} lawful attempts failed, {rule.failures} are needed first"
    return deny_after(rule, "contact.recorded", detail, failed=count, needed=rule.failures)


def _failed_since_reached(rule: GateRule, before: Sequence[Counted]) -> list[Counted]:
    """The failed attempts since somebody was reached. A reservation or an unknown outcome may have reached somebody,
    but is not yet a contact: it opens nothing and closes nothing."""
    heard = [one.span.end for one in before if one.lawful is not None and one.contact]
    since: datetime | None = max(heard, default=None)
    return [
        one
        for one in before
        if one.channel in rule.counted_channels and one.failed and (since is None or one.span.start >= since)
    ]


def _dates(failed: Sequence[Counted]) -> dict[date, int]:
    """Failures by local date; with two possible zones only a date that both agree on counts."""
    counts: dict[date, int] = {}
    for one in failed:
        for day in one.dates() if len(one.dates()) == 1 else ():
            counts[day] = counts.get(day, 0) + 1
    return counts


def _lost(counts: dict[date, int], failures: int) -> date | None:
    """The first date on which contact counts as lost: the day after the failure that opened the gate."""
    opened = []
    for day in counts:
        if all(day - _DAY * back in counts for back in range(failures)):
            opened.append(day + _DAY)
        if counts.get(day - _DAY, 0) >= failures:
            opened.append(day + _DAY)
    return min(opened, default=None)


def _missed_in_a_row(rule: GateRule, before: Sequence[Counted]) -> int:
    """Lawful appointments at the designated place, latest first, until one at which the person was met."""
    count = 0
    for one in sorted(before, key=lambda each: each.span.start, reverse=True):
        if one.channel not in rule.counted_channels or one.place != "designated" or one.lawful is not True:
            continue
        if one.debtor_met:
            break
        count += 1
    return count
