"""The checks, and the judgement by them: add a rule here and a mutant that breaks it in tests/unit/simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from simulation.oracle import contacts, effects, money, streams
from simulation.oracle.verdict import Check, History, Verdict

ALL_CHECKS: Final[Sequence[Check]] = (
    streams.one_identity_one_content,
    streams.sequences_are_gapless,
    streams.keys_are_parties,
    streams.no_personal_data,
    contacts.contacts_have_permits,
    contacts.permits_are_used_once,
    contacts.contacts_have_leaves,
    contacts.visit_budget_is_kept,
    contacts.no_visit_after_stop,
    contacts.visits_follow_the_saga,
    money.payments_are_posted_once,
    money.plans_add_up,
    money.books_agree,
    money.plans_told_back,
    effects.loans_become_cases,
    effects.cases_are_answered,
    effects.visits_come_to_an_end,
    effects.visits_are_chosen,
    effects.only_bad_records_are_dead,
    effects.stops_revoke_permits,
)


def judge(history: History, checks: Sequence[Check] = ALL_CHECKS) -> Verdict:
    """Run every check over the history."""
    found = sorted((found for check in checks for found in check(history)), key=lambda breach: (breach.at, breach.rule))
    return Verdict(found, len(history.records), len(checks), Counter(record.type for record in history.events))
