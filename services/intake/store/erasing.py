"""The SQL of erasing people: name and contact points, the core's references to them, their loans and what was paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.intake.store import books, groups, portfolio
from services.intake.store.score_features import wait_for_scorings
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

# Without the reference nothing joins our id to anybody. A core that names the reference again begins a new person: what
# the core itself has to erase is the core's.
# What tapes keep goes first: it is found by the references.
_DELETE: Final = (
    """
    DELETE FROM tape_rejection r USING party_alias a, tape_file f
    WHERE a.tenant = $1 AND a.party_id = ANY($2::uuid[]) AND r.tenant = $1 AND r.party_ref = a.party_ref
      AND f.tenant = $1 AND f.feed = r.feed AND f.file_id = r.file_id AND f.core = a.core
    """,
    """
    DELETE FROM tape_loan t USING loan l, (SELECT DISTINCT feed, core FROM tape_file WHERE tenant = $1) AS f
    WHERE l.tenant = $1 AND l.party_id = ANY($2::uuid[]) AND f.core = l.core
      AND t.tenant = $1 AND t.feed = f.feed AND t.loan_ref = l.loan_ref
    """,
    """
    DELETE FROM tape_person t USING party_alias a, (SELECT DISTINCT feed, core FROM tape_file WHERE tenant = $1) AS f
    WHERE a.tenant = $1 AND a.party_id = ANY($2::uuid[]) AND f.core = a.core
      AND t.tenant = $1 AND t.feed = f.feed AND t.party_ref = a.party_ref
    """,
    "DELETE FROM party_alias WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM reconciliation_finding WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM loan_fact WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM bucket_change WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM loan WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM movement WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM case_entry WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM fineract_loan WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM fineract_person WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM person WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM told_consent WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM minor_person WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM write_back WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM score WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM case_history WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM party_hold WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM choice_made WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM next_action WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
    "DELETE FROM challenger_score WHERE tenant = $1 AND party_id = ANY($2::uuid[])",
)


async def erase(uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID]) -> None:
    """Delete the keys, and what is in the clear. Who read contact data stays: it names readers, not what they read.

    With somebody goes what is kept under the references that were merged into theirs.
    """
    everybody = sorted({*party_ids, *(one.party_id for one in await groups.touching(uow, party_ids)
                                      if one.lead in party_ids)})  # fmt: skip
    await uow.lock_parties(set(everybody) - uow.locked)
    await wait_for_scorings(uow)
    await cipher.erase(uow, everybody)
    await portfolio.forget(uow, await books.load_own(uow, dict.fromkeys(everybody, "")))
    for statement in _DELETE:
        await uow.sql.execute(statement, uow.tenant, everybody)
    await groups.forget(uow, everybody)
