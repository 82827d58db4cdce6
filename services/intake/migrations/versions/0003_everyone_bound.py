"""The terms of loans that bind several name them under our ids, too."""

from __future__ import annotations

import json

from alembic import op
from sqlalchemy import Connection, text

from shared.ids import draw_shard, entity_id

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BINDING_SEVERAL = """
SELECT tenant, party_id, core, loan_ref, terms FROM loan l
WHERE terms IS NOT NULL AND (
  json_array_length(terms::json -> 'obligors') > 1 OR NOT EXISTS (
    SELECT FROM party_alias a WHERE (a.tenant, a.core, a.party_id) = (l.tenant, l.core, l.party_id)
    AND a.party_ref = l.terms::json -> 'obligors' -> 0 ->> 0))
"""
# Reserved when the newest reference was: nothing but the order of such times is looked at.
_RESERVE = """
INSERT INTO party_alias (tenant, core, party_ref, party_id, reserved_at)
SELECT :tenant, :core, :party_ref, :party_id, max(reserved_at) FROM party_alias HAVING count(*) > 0
ON CONFLICT DO NOTHING
"""
_ALIAS = "SELECT party_id FROM party_alias WHERE (tenant, core, party_ref) = (:tenant, :core, :party_ref)"
_SAVE = """
UPDATE loan SET terms = :terms
WHERE (tenant, party_id, core, loan_ref) = (:tenant, :party_id, :core, :loan_ref)
"""


def upgrade() -> None:
    """Give everyone bound by a loan the id that they will have once the core speaks of them."""
    bind = op.get_bind()
    for row in bind.execute(text(_BINDING_SEVERAL)).mappings().all():
        terms = json.loads(row["terms"])
        place = {"tenant": row["tenant"], "core": row["core"]}
        terms["bound"] = [
            [_party(bind, {**place, "party_ref": party_ref}), role, liability]
            for party_ref, role, liability in terms["obligors"]
        ]
        values = {"party_id": row["party_id"], "loan_ref": row["loan_ref"], "terms": json.dumps(terms)}
        bind.execute(text(_SAVE), place | values)


def _party(bind: Connection, reference: dict[str, str]) -> str:
    bind.execute(text(_RESERVE), reference | {"party_id": entity_id(draw_shard())})
    return str(bind.execute(text(_ALIAS), reference).scalar_one())


def downgrade() -> None:
    """The ids are left: whoever does not know them does not read them."""
