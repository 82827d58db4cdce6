"""People whose records are only kept until they are erased: nobody reads them but the rights desk, each read a leaf."""

from __future__ import annotations

from uuid import UUID

from services.compliance.store.keeping import load_restrictions
from shared.database import UnitOfWork
from shared.web.problems import KnownProblem


class PartyRestricted(KnownProblem):  # reads as a fact at the call site
    """Nothing has the person's records kept any more: until they are erased only the rights desk reads them."""

    kind, status, title = "party-restricted", 403, "The person's records are restricted"


async def refuse_restricted(uow: UnitOfWork, party_id: UUID) -> None:
    """Raises PartyRestricted."""
    since = (await load_restrictions(uow, [party_id])).get(party_id)
    if since is not None:
        raise PartyRestricted("only the rights desk reads them", since=since.isoformat())
