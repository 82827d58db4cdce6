"""What is known of people by themselves, read at once: in a small batch the ways to the database cost most."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from services.compliance.domain.debts import Debt
from services.compliance.domain.facts import Counted
from services.compliance.domain.holds import Hold
from services.compliance.domain.same_persons import Same
from services.compliance.store.case_facts import CaseFact, load_cases, load_versions
from services.compliance.store.counted import load_counted
from services.compliance.store.debts import load_debts
from services.compliance.store.dossiers import Told, load_told
from services.compliance.store.holds import load_holds
from services.compliance.store.same_persons import load_same
from services.compliance.store.surroundings import Surroundings, load_surroundings
from shared.database import UnitOfWork
from shared.database.session import together
from shared.security.party_keys import PartyCipher

T = TypeVar("T")
_NOBODY: Final[Same] = MappingProxyType({})
# Longer than any window of a loaded pack; the counters' look-back.
_LOOK_BACK: Final = timedelta(days=400)


class Files(NamedTuple):
    """What the locks of the people hold still, and what stands around all of them. `counted`: their own contacts and
    reservations; empty of those with other ids, which are read once the keys are locked that they share."""

    ids: Sequence[UUID]
    same: Same
    cases: Mapping[UUID, CaseFact]
    debts: Mapping[UUID, Sequence[Debt]]
    holds: Mapping[UUID, Sequence[Hold]]
    counted: Mapping[UUID, Sequence[Counted]]
    versions: Mapping[UUID, Mapping[tuple[str, UUID], int]]
    around: Surroundings


class Own(NamedTuple):
    """Files, and what was told of each, of their other ids, too."""

    files: Files
    told: Mapping[UUID, Told]


async def load_own(uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID]) -> Own:
    """Reads only, so that others can be asked `together` with it."""
    ids = sorted(set(party_ids))
    files, told = await _knowing_who(
        uow, ids, lambda same: together(uow.sql, _files(uow, ids, same), load_told(uow, cipher, ids, same=same))
    )
    return Own(files, told)


async def load_files(uow: UnitOfWork, party_ids: Iterable[UUID]) -> Files:
    """Without what was told of the people."""
    ids = sorted(set(party_ids))
    return await _knowing_who(uow, ids, lambda same: _files(uow, ids, same, counted=False))


def look_back(uow: UnitOfWork) -> datetime:
    """Since when contacts count (business time)."""
    return uow.now - _LOOK_BACK


async def _knowing_who(uow: UnitOfWork, ids: Sequence[UUID], read: Callable[[Same], Coroutine[Any, Any, T]]) -> T:
    """What is found by who knows the people's other ids. Most have none: that is asked at one with all else."""
    same, found = await together(uow.sql, load_same(uow, ids), read(_NOBODY))
    return await read(same) if same else found


async def _files(uow: UnitOfWork, ids: Sequence[UUID], same: Same, *, counted: bool = True) -> Files:
    around, cases, debts, holds, versions, history = await together(
        uow.sql,
        load_surroundings(uow, ids),
        load_cases(uow, ids),
        load_debts(uow, ids, same=same),
        load_holds(uow, ids, same=same),
        load_versions(uow, ids),
        load_counted(uow, ids if counted and not same else (), since=look_back(uow)),
    )
    return Files(ids, same, cases, debts, holds, history, versions, around)
