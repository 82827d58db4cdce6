"""Bank policy may tighten, never loosen: checked at load against each law that a policy rule touches.

All rules that apply must allow, so a policy rule cannot make an unlawful contact lawful. One that is looser than the
law of its place says that the bank misread the law; such a pack does not load.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from services.compliance.domain.local_time import window_start
from services.compliance.domain.packs import Pack
from services.compliance.domain.rule_records import (
    EVERYWHERE,
    CapRule,
    CrewRule,
    HoursRule,
    PlanTermsRule,
    Rule,
)

_MONDAY: Final = date(2024, 1, 1)
_LONG_AGO: Final = date(2024, 3, 1)


def loosened(packs: Sequence[Pack]) -> list[str]:
    """One line for each policy rule that is looser than a rule of law, standard, guide or self-regulation."""
    policies = [(pack, rule) for pack in packs for rule in pack.rule if rule.status == "policy"]
    laws = [(pack, rule) for pack in packs for rule in pack.rule if rule.status not in ("policy", "draft")]
    return [
        f"{pack.id}: {rule.id} is looser than {law.id}: {how}"
        for pack, rule in policies
        for law_pack, law in laws
        if _touches(pack, law_pack) and set(rule.channels) & set(law.channels)
        for how in _looser(rule, law, everywhere=pack.jurisdiction == EVERYWHERE)
    ]


def _touches(policy: Pack, law: Pack) -> bool:
    """A policy of everywhere touches all law; that of a place the law that holds there."""
    return policy.jurisdiction == EVERYWHERE or law.holds_in(policy.jurisdiction)


def _looser(rule: Rule, law: Rule, *, everywhere: bool) -> Iterator[str]:
    """What the policy allows beyond the law. A policy of everywhere may be wider than one place's law in one part if it
    is narrower in another; where it never narrows it, it is a mistake there too."""
    if isinstance(rule, HoursRule) and isinstance(law, HoursRule) and not rule.fallback:
        # The hours that a law sets for one product narrow those that the bank sets for all: that misreads no law.
        of_its_products = not law.products or bool(set(rule.products) & set(law.products))
        wider, narrower = _compared(rule, law)
        if of_its_products and wider and (not everywhere or not narrower):
            yield f"its hours go beyond {law.opens:%H:%M}-{law.closes:%H:%M}"
    elif isinstance(rule, CapRule) and isinstance(law, CapRule):
        if _comparable(rule, law) and rule.limit > law.limit and _not_longer(rule.window, law.window):
            yield f"{rule.limit} in {rule.window}, the law allows {law.limit} in {law.window}"
    elif isinstance(rule, CrewRule) and isinstance(law, CrewRule) and rule.minimum < law.minimum:
        yield f"{rule.minimum} collectors, the law wants {law.minimum}"
    elif isinstance(rule, PlanTermsRule) and isinstance(law, PlanTermsRule) and _longer(rule, law):
        yield f"{rule.max_months} months, the law allows {law.max_months}"


def _longer(rule: PlanTermsRule, law: PlanTermsRule) -> bool:
    return rule.max_months is not None and law.max_months is not None and rule.max_months > law.max_months


def _compared(rule: HoursRule, law: HoursRule) -> tuple[bool, bool]:
    """(wider than the law on some day, narrower on some day)."""
    wider = narrower = False
    for day in (_MONDAY.replace(day=1 + offset) for offset in range(7)):
        (opens, closes), (law_opens, law_closes) = rule.hours_of(day), law.hours_of(day)
        wider |= opens < law_opens or closes > law_closes
        narrower |= opens > law_opens or closes < law_closes
    return wider, narrower


def _comparable(rule: CapRule, law: CapRule) -> bool:
    """Caps of the same channels, unit and keys; others limit something else."""
    return (set(rule.channels), rule.unit, set(rule.key)) == (set(law.channels), law.unit, set(law.key))


def _not_longer(window: str, law: str) -> bool:
    return window_start(window, _LONG_AGO) >= window_start(law, _LONG_AGO)
