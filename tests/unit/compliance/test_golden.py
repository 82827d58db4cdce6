"""The golden tables: every row is what a compliance officer says the rule answers."""

from collections import Counter, defaultdict
from typing import get_args

import pytest

from cli.rules import golden_rows
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_records import Rule

from .golden_rows import Row, answer_of, rows

ROWS = rows()
# What a row answers when the rule stands in nobody's way; all other answers forbid, ask, find or keep.
_FAVOURABLE = frozenset({"allow", "fine", "not asked", "not due", "kept: no rule says how long"})
_KINDS = {get_args(one.model_fields["kind"].annotation) for one in get_args(Rule)}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(book: RuleBook, row: Row) -> None:
    assert answer_of(row, book) == row.answer, row.why


def test_every_rule_has_positive_negative_and_edge_rows(book: RuleBook) -> None:
    """Of each rule of every version of every pack: three rows at least, one in favour and one against it.

    A clause is one rule or several, so each clause has them, too.
    """
    answers: dict[str, list[str]] = defaultdict(list)
    for row in ROWS:
        answers[row.rule].append(row.answer)
    wanted = {rule.id for pack in book.packs for rule in pack.rule}
    assert sorted(answers.keys() - wanted) == []
    assert sorted(rule for rule in wanted if len(answers[rule]) < 3) == []
    assert sorted(rule for rule in wanted if not _FAVOURABLE.intersection(answers[rule])) == []
    assert sorted(rule for rule in wanted if not set(answers[rule]) - _FAVOURABLE) == []


def test_rows_speak_of_every_sort_of_rule(book: RuleBook) -> None:
    """Rules that are asked, and those that are judged of records, plans, times to keep and duties."""
    ruled = {row.rule for row in ROWS}
    seen = {rule.kind for pack in book.packs for rule in pack.rule if rule.id in ruled}
    assert {kind for kinds in _KINDS for kind in kinds} - seen == set()


def test_list_counts_these_rows() -> None:
    assert golden_rows() == Counter(row.rule for row in ROWS)
