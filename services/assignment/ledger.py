"""Folds the facts of one batch over the candidacies of its parties, and writes what came of it once, at the end."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from services.assignment.domain.candidacy import Candidacy, Step
from services.assignment.domain.visits import PlannedVisit
from services.assignment.store.candidacies import load_candidacies, save_candidacies
from shared.database import UnitOfWork


class Ledger:
    """The candidacies of one transaction. Parties must be locked before `open`."""

    def __init__(self, uow: UnitOfWork, loaded: dict[UUID, Candidacy]) -> None:
        self._uow = uow
        self._before = loaded
        self._now = dict(loaded)
        self._finished: list[PlannedVisit] = []

    @classmethod
    async def open(cls, uow: UnitOfWork, party_ids: Iterable[UUID]) -> Ledger:
        """Load the candidacies of `party_ids`."""
        return cls(uow, await load_candidacies(uow, party_ids))

    def __getitem__(self, party_id: UUID) -> Candidacy:
        """The candidacy after the facts folded so far."""
        return self._now[party_id]

    def fold(self, step: Step, *, cause_id: str) -> bool:
        """Take a step over: state, events (caused by `cause_id`), intents. Returns whether anything was applied."""
        self._now[step.candidacy.party_id] = step.candidacy
        self._finished += step.finished
        for event in step.events:
            self._uow.emit(event.caused_by(cause_id))
        for intent in step.intents:
            self._uow.intend(intent)
        return step.applied

    async def save(self) -> None:
        """Write what changed."""
        await save_candidacies(self._uow, self._before, self._now, self._finished)
