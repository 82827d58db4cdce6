"""The composition root of visits: the only place that joins store, domain, HTTP and messaging."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.visits import api, consumers, gauges, intents, trace_intents
from services.visits.domain.intents import learn_permit_keys
from services.visits.domain.traces import TOTAL_KEY
from services.visits.remote import Neighbours
from services.visits.settings import VisitSettings
from shared.database import Database
from shared.security.key_management import LocalKeyManagement
from shared.security.signing import SigningKey
from shared.service import ServiceDefinition, ServiceRuntime

NAME: Final = "visits"
_LINK_PURPOSE: Final = "visits.customer-link"


@dataclass(frozen=True)
class _Opened:
    """What the lifespan opened."""

    database: Database
    neighbours: Neighbours
    link_secret: bytes
    total_key: SigningKey


class _Parts:
    """Handlers are made before the process opens its connections, so they ask here when they run."""

    def __init__(self) -> None:
        self._opened: _Opened | None = None

    @property
    def opened(self) -> _Opened:
        """The open parts. Raises RuntimeError outside the lifespan: a mistake of ours."""
        if self._opened is None:
            raise RuntimeError("visits is not open")
        return self._opened

    @asynccontextmanager
    async def lifespan(self, runtime: ServiceRuntime) -> AsyncIterator[None]:
        """Open the clients of other services and the keys of the customers' links and of daily totals; ask for the
        permit keys once an hour.
        """
        keys = LocalKeyManagement.open(runtime.settings.key_folder, NAME)
        async with Neighbours.open(runtime.settings) as neighbours:
            self._opened = _Opened(
                runtime.database,
                neighbours,
                keys.derive(_LINK_PURPOSE),
                SigningKey.open(runtime.settings.key_folder, TOTAL_KEY),
            )
            if "worker" in runtime.roles:
                async with runtime.database.unit_of_work() as uow:
                    uow.intend(learn_permit_keys(reason=f"start {uow.real_now.isoformat()}", due_at=uow.real_now))
                    await trace_intents.begin(uow)
            try:
                yield
            finally:
                self._opened = None


def define(settings: VisitSettings) -> ServiceDefinition:
    """What a visits process is made of."""
    parts = _Parts()
    return ServiceDefinition(
        name=NAME,
        settings=settings,
        build_api=lambda runtime: api.build(
            runtime,
            neighbours=parts.opened.neighbours,
            link_secret=parts.opened.link_secret,
            total_key=parts.opened.total_key,
            visit_settings=settings,
        ),
        subscriptions=consumers.subscriptions(link_secret=lambda: parts.opened.link_secret),
        intent_handlers=intents.handlers(
            database=lambda: parts.opened.database,
            neighbours=lambda: parts.opened.neighbours,
            total_key=lambda: parts.opened.total_key,
        ),
        on_heartbeats=consumers.keep_watermarks,
        gauges=gauges.set_gauges,
        lifespan=parts.lifespan,
    )
