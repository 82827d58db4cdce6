"""People whose records are only kept until they are erased: nobody reads them but the rights desk, each read a leaf."""

from __future__ import annotations

from uuid import UUID

from services.compliance.domain.keeping import reasons_to_keep, today_everywhere
from services.compliance.domain.packs import RuleBook
from services.compliance.store.keeping import load_holdings, load_restrictions
from shared.database import UnitOfWork
from shared.web.problems import KnownProblem


class PartyRestricted(KnownProblem):  # reads as a fact at the call site
    """Nothing has the person's records kept any more: until they are erased only the rights desk reads them."""

    kind, status, title = "party-restricted", 403, "The person's records are restricted"


async def refuse_restricted(uow: UnitOfWork, book: RuleBook, party_id: UUID) -> None:
    """Raises PartyRestricted. Whom something keeps again since the last look is not restricted any more."""
    since = (await load_restrictions(uow, [party_id])).get(party_id)
    if since is None:
        return
    holding = (await load_holdings(uow, [party_id]))[party_id]
    if not reasons_to_keep(holding, book, today=today_everywhere(uow.now)):
        raise PartyRestricted("only the rights desk reads them", since=since.isoformat())
