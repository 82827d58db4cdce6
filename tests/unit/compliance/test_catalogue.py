"""The page of the rule catalogue says of each clause how the packs hold it, or why they do not."""

import re
from collections import defaultdict
from typing import Final, NamedTuple

from services.compliance.domain.packs import RuleBook
from shared.embedded.home import PROJECT_FOLDER

PAGE: Final = PROJECT_FOLDER / "docs" / "rule-catalogue.md"
_ROW = re.compile(r"^\| (?P<clause>[A-Z]{2}-[A-Z0-9/-]+) \| (?P<cells>.+) \|$", re.MULTILINE)
# What can refuse a contact (or a plan) before it is made.
_BEFORE: Final = frozenset(
    {
        "hours", "closed_days", "preference", "cap", "gate", "third_person", "requires", "crew", "hold", "letter",
        "plan_terms",
    }
)  # fmt: skip


class Row(NamedTuple):
    clause: str
    action: str
    kinds: frozenset[str]
    why: str


def _rows() -> tuple[list[Row], dict[str, str]]:
    """The clauses that are held, and those left out, with why."""
    held: list[Row] = []
    left_out: dict[str, str] = {}
    for found in _ROW.finditer(PAGE.read_text()):
        cells = [one.strip() for one in found["cells"].split(" | ")]
        if len(cells) == 1:
            left_out[found["clause"]] = cells[0]
        else:
            action, kinds, *why = cells
            held.append(Row(found["clause"], action, frozenset(kinds.split(", ")), " ".join(why).strip(" |")))
    return held, left_out


def _kinds_by_clause(book: RuleBook) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for pack in book.packs:
        for rule in pack.rule:
            for clause in (rule.catalogue_clause, *rule.also):
                kinds[clause].add(rule.kind)
    return kinds


def test_each_clause_is_held_as_the_page_says(book: RuleBook) -> None:
    kinds, (held, _) = _kinds_by_clause(book), _rows()
    # Several articles in one row are one clause of the packs, named after the first.
    differs = {
        row.clause: kinds[row.clause.split("/")[0]] for row in held if row.kinds != kinds[row.clause.split("/")[0]]
    }
    assert (len(held), differs) == (125, {})


def test_what_is_left_out_has_a_reason_and_no_rule(book: RuleBook) -> None:
    kinds, (_, left_out) = _kinds_by_clause(book), _rows()
    assert left_out.keys() == {"CN-PLM2024", "CN-NIFA2018"}
    assert all(len(why) > 20 for why in left_out.values())
    assert left_out.keys().isdisjoint(kinds)


def test_a_ban_that_nothing_holds_beforehand_says_why() -> None:
    held, _ = _rows()
    silent = [
        row.clause
        for row in held
        if ("BLOCK" in row.action or "HOLD" in row.action or row.kinds == {"duty"})
        and not row.kinds & _BEFORE
        and not row.why
    ]
    assert silent == []
