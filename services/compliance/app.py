"""The composition root of compliance: the only place that joins rules, keys, store, HTTP, messaging and the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from services.compliance import api
from services.compliance.balances import IntakeBalances
from services.compliance.consumers import cases, contacts, stops, visits
from services.compliance.consumers.heartbeats import on_heartbeats
from services.compliance.feed_desk import FeedWatch, watch_due
from services.compliance.instruments import Instruments
from services.compliance.log.head import SignedHead
from services.compliance.log.sequencer import Sequencer
from services.compliance.rule_sets import record_rule_set
from shared.security.key_cache import KeyCache
from shared.security.token_source import ClientCredentials
from shared.service import ServiceDefinition, ServiceRuntime
from shared.settings import ServiceSettings
from shared.web.client import ServiceClient

NAME: Final = "compliance"
_HEAD_FILE: Final = "log-head.note"


def define(settings: ServiceSettings) -> ServiceDefinition:
    """What a compliance process is made of."""
    instruments = Instruments.open(settings)
    client = ServiceClient(
        service="intake", base_url=settings.intake_url, token_source=ClientCredentials.from_settings(settings)
    )
    balances = IntakeBalances(client, KeyCache.of_service(settings.intake_url))

    @asynccontextmanager
    async def lifespan(runtime: ServiceRuntime) -> AsyncIterator[None]:
        async with _sequencing(runtime, instruments):
            try:
                yield
            finally:
                await balances.close()

    return ServiceDefinition(
        name=NAME,
        settings=settings,
        build_api=lambda runtime: api.build(runtime, instruments=instruments, balances=balances),
        subscriptions=(
            stops.subscription(instruments),
            cases.subscription(instruments),
            visits.visit_subscription(instruments),
            visits.plan_subscription(instruments),
            contacts.subscription(instruments),
        ),
        intent_handlers=[FeedWatch(instruments)],
        on_heartbeats=on_heartbeats,
        lifespan=lifespan,
    )


@asynccontextmanager
async def _sequencing(runtime: ServiceRuntime, instruments: Instruments) -> AsyncIterator[None]:
    """Workers run the log's sequencer; it begins with the leaf of the rule set they decide by."""
    if "worker" not in runtime.roles:
        yield
        return
    async with runtime.database.unit_of_work() as uow:
        uow.intend(watch_due(uow.real_now))
    sequencer = Sequencer(
        runtime.database,
        runtime.clock,
        key=instruments.log_key,
        signer=instruments.checkpoint_key,
        head=SignedHead(runtime.settings.key_folder / _HEAD_FILE, instruments.log_key),
        prepare=lambda: record_rule_set(runtime.database, instruments),
    )
    task = asyncio.create_task(sequencer.run(), name="log sequencer")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
