"""The SQL of the sources of rule sets: each file once, however many rule sets it is part of."""

from __future__ import annotations

from collections.abc import Sequence

from services.compliance.domain.packs import PackError
from services.compliance.rule_archive import RulePart, hash_of
from shared.database import UnitOfWork

_KNOWN = "SELECT EXISTS (SELECT FROM rule_set_part WHERE rule_set = $1)"
_KEEP_SOURCES = """
INSERT INTO rule_source (sha256, content) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING
"""
_KEEP_PARTS = """
INSERT INTO rule_set_part (rule_set, place, kind, name, sha256)
SELECT $1, p.place, p.kind, p.name, p.sha256
FROM unnest($2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS p(kind, name, sha256, place)
"""
_PARTS = """
SELECT p.kind, p.name, s.content FROM rule_set_part p JOIN rule_source s USING (sha256)
WHERE p.rule_set = $1 ORDER BY p.place
"""


async def keep_parts(uow: UnitOfWork, rule_set: str, parts: Sequence[RulePart]) -> None:
    """Keep the parts of the rule set, unless they are kept already. The rule sets' lock is held.

    Raises PackError when they are not its parts: files were changed under a running process.
    """
    if await uow.sql.fetchval(_KNOWN, rule_set):
        return
    if hash_of(parts) != rule_set:
        raise PackError(f"the files of the rules are not those of rule set {rule_set}")
    content = {part.sha256: part.content for part in parts}
    await uow.sql.execute(_KEEP_SOURCES, list(content), list(content.values()))
    await uow.sql.execute(
        _KEEP_PARTS, rule_set, [part.kind for part in parts], [part.name for part in parts],
        [part.sha256 for part in parts],
    )  # fmt: skip


async def load_parts(uow: UnitOfWork, rule_set: str) -> tuple[RulePart, ...]:
    """The parts of a rule set in their order; empty when it was never kept."""
    rows = await uow.sql.fetch(_PARTS, rule_set)
    return tuple(RulePart(row["kind"], row["name"], bytes(row["content"])) for row in rows)
