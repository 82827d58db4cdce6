"""Which rules may be passed, by whom, for how long and how often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import HoursRule, Rule, RuleBook
from services.compliance.domain.rule_records import Overriding
from services.compliance.domain.telling import CLOCK_SKEW
from shared.web.problems import KnownProblem

# Bank policy: an exception that is made every day is a rule that nobody approved.
OVERRIDES_PER_DAY: Final = 5
QUOTA_SPAN: Final = timedelta(hours=24)
_LONGEST: Final[dict[Overriding, timedelta]] = {"supervisor": timedelta(days=7), "consent": timedelta(days=366)}


class NotOverridable(KnownProblem):  # reads as a fact at the call site
    """No loaded rule has this id, or not this person may lift it. `override` says who may (null: nobody)."""

    kind, status, title = "not-overridable", 409, "This rule cannot be passed so"


class OverrideBackdated(KnownProblem):
    """A permission acts from when it is recorded: one obtained after the contact is none."""

    kind, status, title = "override-backdated", 422, "A permission is not backdated"


class OverrideTooLong(KnownProblem):
    """Longer than the bank lets one permission last: a supervisor's 7 days, a consent 366."""

    kind, status, title = "override-too-long", 422, "The permission lasts too long"


class OverrideQuotaSpent(KnownProblem):
    """This person has passed as many rules in 24 hours as the bank lets one person pass."""

    kind, status, title = "override-quota-spent", 409, "The day's overrides are spent"


def passable(book: RuleBook, *, rule_id: str, by: Overriding, valid: Span, hours: bool, now: datetime) -> Span:
    """The span during which the permission acts. `hours`: it names hours of the day, which only hours rules can have.

    Raises NotOverridable, OverrideBackdated, OverrideTooLong.
    """
    rules = [rule for pack in book.packs for rule in pack.rule if rule.id == rule_id]
    if not rules or any(rule.override != by for rule in rules):
        raise NotOverridable("no such rule, or not by this person", override=_who_may(rules))
    if hours and not all(isinstance(rule, HoursRule) for rule in rules):
        raise NotOverridable("the rule sets no hours: agree to it without hours", override=_who_may(rules))
    if valid.start < now - CLOCK_SKEW:
        raise OverrideBackdated("valid_from lies in the past")
    if valid.length > _LONGEST[by]:
        raise OverrideTooLong(f"at most {_LONGEST[by].days} days")
    return Span(max(valid.start, now), valid.end)


def _who_may(rules: list[Rule]) -> str | None:
    named = {rule.override for rule in rules} - {"none"}
    return min(named) if named else None
