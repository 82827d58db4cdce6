"""SQL reads no clock: what the law counts is business time, which only the transaction's own clock tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(\s*\)"
    r"|\b(current_(date|time|timestamp)|localtime(stamp)?)\b"
    r"|'(now|today|tomorrow|yesterday)'\s*::",
    re.IGNORECASE,
)
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|MERGE|COPY)\b")
# A lease is real time, read on one clock by all who share it; it decides who works and nothing that the work says.
LEASES = {"shared/messaging/intent_store.py", "shared/messaging/relay_shards.py"}
# Rows of before the column was; whoever writes since then says when.
FILLED_ONCE = {"services/compliance/migrations/versions/0049_since_when_keys_are_shared.py"}


def read_clocks(source: str) -> Iterator[int]:
    """Lines at which a text of SQL begins that reads the server's clock. Docstrings are no SQL."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            without_comments = re.sub(r"--.*", "", node.value)
            if _SQL.search(without_comments) and _CLOCK.search(without_comments):
                yield node.lineno


def test_no_sql_reads_a_clock() -> None:
    found = {
        str(path.relative_to(ROOT))
        for room in ("services", "shared")
        for path in (ROOT / room).rglob("*.py")
        if any(read_clocks(path.read_text(encoding="utf-8")))
    }
    assert found == LEASES | FILLED_ONCE


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM hold WHERE valid_to > now()",
        "UPDATE a SET b = CURRENT_DATE",
        "INSERT INTO a VALUES ('now'::timestamptz)",
        "ALTER TABLE a ADD COLUMN b date DEFAULT current_date",
    ],
)
def test_statement_that_reads_the_clock_is_found(statement: str) -> None:
    assert list(read_clocks(f"_Q = {statement!r}"))


@pytest.mark.parametrize("text", ["_Q = 'SELECT known_now FROM a -- not now()'", "'''SQL never calls SELECT now()'''"])
def test_what_only_sounds_like_it_is_not(text: str) -> None:
    assert not list(read_clocks(text))
