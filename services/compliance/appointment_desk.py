"""The desk of appointments: what the events of visits prove of agreed times is told of the person, like any fact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance import dossier_desk
from services.compliance.domain.appointments import AGREED, told_by_visit
from services.compliance.domain.dossier import standing_of
from services.compliance.dossier_desk import NewEntry
from services.compliance.instruments import Instruments
from services.compliance.store.dossiers import load_dossiers
from shared.database import UnitOfWork
from shared.events.visit import VisitAgreed, VisitFact

_OWNER: Final = "visits"


async def follow(uow: UnitOfWork, instruments: Instruments, visits: Sequence[VisitFact]) -> None:
    """Tell what the events say, in their order. The parties are locked."""
    concerned = {one.party_id for one in visits if told_by_visit(one, agreed=True)}
    if not concerned:
        return
    dossiers = await load_dossiers(uow, instruments.cipher, concerned)
    agreed = {
        party_id
        for party_id, dossier in dossiers.items()
        if (word := standing_of(dossier.entries, at=uow.now).get(AGREED)) is not None and word.value is True
    }
    # The last word on one moment counts: a batch may hold the answer and its end.
    words: dict[tuple[UUID, str, datetime], NewEntry] = {}
    for data in visits:
        as_of = min(data.answered_at, uow.now) if isinstance(data, VisitAgreed) else uow.now
        for name, value in told_by_visit(data, agreed=data.party_id in agreed).items():
            words[data.party_id, name, as_of] = NewEntry(
                party_id=data.party_id, name=name, value=value, as_of=as_of, owner=_OWNER,
                reference=f"visit {data.visit_id}",
            )  # fmt: skip
            if name == AGREED:
                (agreed.add if value else agreed.discard)(data.party_id)
    await dossier_desk.tell(uow, instruments, list(words.values()), told_by=_OWNER)
