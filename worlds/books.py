"""The rule books of the worlds: the shipped packs, and the same with a stricter bank policy from some date on."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Final

from services.compliance.domain.packs import RuleBook
from services.compliance.rule_book import read_packs, sources_of

# Days after clocks change, a year's end, and one ordinary day.
POLICY_CHANGES: Final = (date(2025, 10, 27), date(2026, 1, 1), date(2026, 3, 9), date(2026, 3, 30), date(2026, 6, 15))
_POLICY: Final = "bank-policy.toml"
_FIRST: Final = "effective_from = 2020-01-01"


_SORTS: Final = {
    "hours": "hours", "crew": "crew", "hold": "stop", "cap": "limit", "evidence": "record", "conduct": "conduct",
    "closed_days": "day off", "preference": "wish", "case_open": "case", "customer_request": "request",
    "facts_fresh": "stale", "gate": "gate",
}  # fmt: skip


@cache
def book_of(stricter_from: date | None) -> RuleBook:
    """The shipped book; with a date also the bank's next policy: a visit in 45 dates, messages from 10 to 18."""
    sources = sources_of()
    if stricter_from is None:
        return read_packs(sources)
    policy = sources[_POLICY].decode()
    ending = policy.replace(_FIRST, f"{_FIRST}\neffective_to = {stricter_from}", 1)
    head, rules = policy.split("[parameters]")[0], policy[policy.index("[[rule]]") :]
    head = head.replace("version = 1", "version = 2", 1).replace(_FIRST, f"effective_from = {stricter_from}", 1)
    before, messages = rules.split('id = "BANK-SMS-HOURS"')
    messages = messages.replace("opens = 09:00:00", "opens = 10:00:00", 1).replace("20:00:00", "18:00:00", 1)
    stricter = head + before + 'id = "BANK-SMS-HOURS"' + messages
    stricter = stricter.replace('window = "local_dates_30"', 'window = "local_dates_45"')
    return read_packs({**sources, _POLICY: ending.encode(), "bank-policy-2.toml": stricter.encode()})


def sort_of_rule(book: RuleBook, rule_id: str) -> str:
    """What sort of breach a finding of that rule is, in the checker's words."""
    if rule_id in ("DEBT-COLLECTED", "DEBT-TRANSFERRED"):
        return "debt"
    return "permit" if rule_id.startswith("PERMIT-") else _sorts(book.rule_set)[rule_id]


@cache
def _sorts(rule_set: str) -> dict[str, str]:
    books = [book for book in map(book_of, (None, *POLICY_CHANGES)) if book.rule_set == rule_set]
    return {rule.id: _SORTS.get(rule.kind, "other") for book in books for pack in book.packs for rule in pack.rule}
