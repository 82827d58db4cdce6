"""Fineract tells of no death: the clients of open cases are asked for, in rounds, page by page.

A client is one question. A page is `_PAGE` of them, and the next page waits `_PAUSE`, so that a round over many cases
takes longer instead of asking faster.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from services.intake.fineract.facts import Occasion, Tenancy
from services.intake.fineract.people import ClientDocument, ClientState
from services.intake.fineract.people_facts import death_of
from services.intake.fineract.port import CoreUnavailableError, FineractPort
from services.intake.fineract.settings import FineractSettings
from services.intake.folding import Folding
from services.intake.store import fineract as store
from services.intake.store.parties import key_of, reserve
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.ids import derived_id
from shared.messaging import Answer, Intent, NewIntent

log = logging.getLogger(__name__)

PEOPLE_WATCH: Final = "fineract_people"
_PAGE: Final = 100
_PAUSE: Final = timedelta(seconds=10)
# Of several reports of a death the first counts, whatever its number.
_NO_POSITION: Final = 1


@dataclass(frozen=True, slots=True)
class Clients(Answer):
    """The clients of a page."""

    clients: Mapping[int, ClientDocument] = field(default_factory=dict)


@dataclass(frozen=True)
class PeopleWatch:
    """Intent handler: asks for the clients of a page of open cases, and folds the deaths that are found."""

    tenancy: Tenancy
    port: FineractPort
    folding: Folding
    every: timedelta
    kind: ClassVar[str] = PEOPLE_WATCH
    batch_size: ClassVar[int] = 1

    @classmethod
    def of(
        cls, settings: FineractSettings, port: FineractPort | None, folding: Folding, *, tenant: str
    ) -> PeopleWatch | None:
        """None where nothing is to be learnt: no such core, or the bank names no sub-status of a death."""
        if port is None or not settings.people_every_seconds or not settings.deceased_sub_statuses:
            return None
        return cls(settings.tenancy(tenant), port, folding, timedelta(seconds=settings.people_every_seconds))

    def next_round(self, uow: UnitOfWork) -> NewIntent:
        """The round that begins at the end of the present span, however many processes intend it."""
        seconds = self.every.total_seconds()
        due = datetime.fromtimestamp((uow.real_now.timestamp() // seconds + 1) * seconds, UTC)
        return NewIntent(
            kind=PEOPLE_WATCH, key=f"{uow.tenant}|{due.isoformat()}|", due_at=due,
            payload={"round": due.isoformat(), "people": [], "next": None},
        )  # fmt: skip

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """Ask. No answer: asked again later."""
        answers: list[Answer | None] = []
        for intent in intents:
            try:
                answers.append(Clients(clients=await self.port.clients(intent.payload["people"])))
            except CoreUnavailableError as error:
                log.warning("the core does not answer: %s", type(error).__name__)
                answers.append(None)
        return answers

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Fold the deaths, and go on to the next page or the next round."""
        for intent, answer in answered:
            if isinstance(answer, Clients):
                await self._learn(uow, answer.clients)
            following = intent.payload["next"]
            is_first = not intent.payload["people"] and following is None
            page = await store.people_in_cases(
                uow, self.tenancy.core, after=None if is_first else UUID(following), limit=_PAGE
            ) if is_first or following is not None else {}  # fmt: skip
            uow.intend(self._page(uow, intent.payload["round"], page) if page else self.next_round(uow))

    def _page(self, uow: UnitOfWork, began: str, page: Mapping[UUID, str]) -> NewIntent:
        last = str(max(page))
        # A group that nobody has resolved has a reference, but is no client.
        clients = [int(party_ref) for party_ref in page.values() if party_ref.isdigit()]
        return NewIntent(
            kind=PEOPLE_WATCH, key=f"{uow.tenant}|{began}|{last}", due_at=uow.real_now + _PAUSE,
            payload={"round": began, "people": clients, "next": last},
        )  # fmt: skip

    async def _learn(self, uow: UnitOfWork, clients: Mapping[int, ClientDocument]) -> None:
        occasion = Occasion(self.folding.settings.local_date(uow.now), _NO_POSITION, uow.now)
        deaths = [death_of(ClientState(client, ()), occasion, self.tenancy) for client in clients.values()]
        events = [self._event(uow, fact.data) for fact in deaths if fact is not None]
        if events:
            parties = await reserve(uow, [event.key for event in events])
            await uow.lock_parties(parties.ids.values())
            await self.folding.fold(uow, events, parties)

    def _event(self, uow: UnitOfWork, data: EventData) -> Event[EventData]:
        key = key_of(self.tenancy.tenant, self.tenancy.core, str(getattr(data, "party_ref", "")))
        identity = str(derived_id(PEOPLE_WATCH, key))
        return Event(
            id=identity, source=self.tenancy.core, type="party.deceased", version=1, tenant=self.tenancy.tenant,
            key=key, party_id=None, aggregate_type="core_party", aggregate_id=key, sequence=_NO_POSITION,
            time=uow.now, recorded_time=uow.real_now, correlation_id=identity, causation_id="", traceparent="",
            data=data,
        )  # fmt: skip
