"""People whose records are only kept until they are erased: nobody reads them but the rights desk, each read a leaf."""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from services.compliance.domain.keeping import reasons_to_keep, states_of, today_everywhere
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.record_kinds import RecordKind
from services.compliance.erased import PartyErased
from services.compliance.store.keeping import load_holdings, load_restrictions
from services.compliance.store.leaves import load_erased
from services.compliance.store.record_endings import load_endings
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher
from shared.web.problems import KnownProblem


class PartyRestricted(KnownProblem):  # reads as a fact at the call site
    """Nothing has the person's records kept any more: until they are erased only the rights desk reads them."""

    kind, status, title = "party-restricted", 403, "The person's records are restricted"


class ReasonNeeded(KnownProblem):
    """Restricted records are read for a reason only, which is kept with the reading."""

    kind, status, title = "reason-needed", 422, "Reading restricted records needs a reason"


class RecordsDeleted(KnownProblem):
    """The minimum for which such records are kept has passed, and they were deleted. `rule` had them kept until then,
    `leaf_id` proves the deletion.
    """

    kind, status, title = "records-deleted", 410, "The records were deleted"


async def refuse_restricted(uow: UnitOfWork, book: RuleBook, party_id: UUID, sort: RecordKind) -> None:
    """Raises PartyRestricted. What something keeps again since the last look is not restricted any more."""
    since = (await load_restrictions(uow, [party_id])).get(party_id)
    ending = (await load_endings(uow, [party_id])).get(party_id, {}).get(sort)
    if since is None and (ending is None or ending.since is None):
        return
    holding, today = (await load_holdings(uow, [party_id]))[party_id], today_everywhere(uow.now)
    if since is not None and not reasons_to_keep(holding, book, today=today):
        raise PartyRestricted("only the rights desk reads them", since=since.isoformat())
    if ending is not None and ending.since is not None and states_of(holding, book, today=today).get(sort) != "kept":
        raise PartyRestricted(f"only the rights desk reads the {sort} records", since=ending.since.isoformat())


async def demand_reason(uow: UnitOfWork, party_id: UUID, reason: str | None) -> None:
    """Raises ReasonNeeded where records of the person are restricted and nobody says why they are read."""
    if reason is not None:
        return
    endings = (await load_endings(uow, [party_id])).get(party_id, {}).values()
    if await load_restrictions(uow, [party_id]) or any(one.since is not None for one in endings):
        raise ReasonNeeded()


async def refuse_gone(uow: UnitOfWork, cipher: PartyCipher, party_id: UUID, sort: RecordKind) -> NoReturn:
    """What the record said cannot be read any more. Raises RecordsDeleted, or PartyErased."""
    ending = (await load_endings(uow, [party_id])).get(party_id, {}).get(sort)
    if ending is None or ending.deleted_on is None or await load_erased(uow, cipher, [party_id]):
        raise PartyErased()
    raise RecordsDeleted(
        f"{sort} records were deleted on {ending.deleted_on}", rule=ending.rule, deleted_on=str(ending.deleted_on),
        leaf_id=str(ending.leaf_id),
    )  # fmt: skip
