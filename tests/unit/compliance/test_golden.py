"""The golden tables: every row is what a compliance officer says the rule answers."""

from collections import Counter, defaultdict

import pytest

from cli.rules import golden_rows
from services.compliance.domain.packs import RuleBook

from .golden_rows import Row, answer_of, rows

ROWS = rows()
_FAVOURABLE = ("allow", "fine", "not asked", "not due")


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(book: RuleBook, row: Row) -> None:
    assert answer_of(row, book) == row.answer, row.why


def test_every_clause_has_positive_negative_and_edge_rows(book: RuleBook) -> None:
    """Three rows at least for each clause, not all with the same answer."""
    answers: dict[str, list[str]] = defaultdict(list)
    clauses = {rule.id: (rule.catalogue_clause, *rule.also) for pack in book.packs for rule in pack.rule}
    for row in ROWS:
        for clause in clauses[row.rule]:
            answers[clause].append(row.answer)
    wanted = {clause for found in clauses.values() for clause in found}
    assert sorted(wanted - {clause for clause, found in answers.items() if len(found) >= 3}) == []
    assert sorted(clause for clause in wanted if len(set(answers[clause])) < 2) == []


def test_every_rule_has_rows(book: RuleBook) -> None:
    counted = Counter(row.rule for row in ROWS)
    assert [rule.id for pack in book.packs for rule in pack.rule if not counted[rule.id]] == []


def test_list_counts_these_rows() -> None:
    assert golden_rows() == Counter(row.rule for row in ROWS)
