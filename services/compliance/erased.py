"""People who were erased: nothing is decided or kept about them any more."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.compliance.store.leaves import load_erased
from shared.database import UnitOfWork
from shared.web.problems import KnownProblem


class PartyErased(KnownProblem):  # reads as a fact at the call site
    """The person was erased, and a decision about them would begin a new file. Nothing of the request is done.

    `positions`, where several items came, names theirs (from 0): ask again without these.
    """

    kind, status, title = "party-erased", 410, "The person was erased"


async def refuse_erased(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Raises PartyErased."""
    erased = await load_erased(uow, party_ids)
    if erased:
        positions = [position for position, party_id in enumerate(party_ids) if party_id in erased]
        raise PartyErased("ask again without these items", positions=positions)
