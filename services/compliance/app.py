"""The composition root of compliance: the only place that joins rules, keys, store, HTTP, messaging and the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from services.compliance import (
    api,
    duty_desk,
    erasure_desk,
    feed_desk,
    hold_desk,
    moratorium_desk,
    retention_desk,
    sample_desk,
    sealing_desk,
    sharing_desk,
    trace_desk,
)
from services.compliance.balances import IntakeBalances
from services.compliance.consumers import cases, contacts, stops, visits
from services.compliance.consumers.heartbeats import on_heartbeats
from services.compliance.erased import unless_erased
from services.compliance.examination_desk import examination_watch
from services.compliance.gauges import gauges, retired_timers
from services.compliance.instruments import Instruments
from services.compliance.log.cosigner import Cosigner
from services.compliance.log.head import SignedHead
from services.compliance.log.keys import announce_key
from services.compliance.log.origin import enter_origin, refuse_missing_head
from services.compliance.log.sequencer import Sequencer
from services.compliance.reconciliation_desk import WATCH as RECONCILIATION_WATCH
from services.compliance.reconciliation_desk import Reconciliation, streams_of
from services.compliance.rule_hindsight import HindsightPages
from services.compliance.rule_sets import await_releases, record_rule_set
from services.compliance.rule_turns import RulesPages, begin_turn, rules_watch
from services.compliance.watch import next_look, watch
from shared.balances import BalanceChecks
from shared.events.topics import SERVICES
from shared.messaging import IntentHandler
from shared.security.key_cache import KeyCache
from shared.security.token_source import ClientCredentials
from shared.service import ServiceDefinition, ServiceRuntime
from shared.settings import ServiceSettings
from shared.web.client import ServiceClient

NAME: Final = "compliance"


def define(settings: ServiceSettings) -> ServiceDefinition:
    """What a compliance process is made of."""
    instruments = Instruments.open(settings)
    client = ServiceClient(
        service="intake", base_url=settings.intake_url, token_source=ClientCredentials.from_settings(settings)
    )
    balances = IntakeBalances(BalanceChecks(client, KeyCache.of_service(settings.intake_url)))

    subscriptions = (
        stops.subscription(instruments),
        unless_erased(cases.subscription(instruments), instruments.cipher),
        unless_erased(visits.visit_subscription(instruments), instruments.cipher),
        unless_erased(visits.plan_subscription(instruments), instruments.cipher),
        unless_erased(contacts.subscription(instruments), instruments.cipher),
    )
    publishers = _publishers(settings)
    reconciliation = Reconciliation(instruments, streams_of(subscriptions), publishers)

    watches = _watches(instruments)

    @asynccontextmanager
    async def lifespan(runtime: ServiceRuntime) -> AsyncIterator[None]:
        async with _sequencing(runtime, instruments, watches=[*(one.kind for one in watches), RECONCILIATION_WATCH]):
            try:
                if settings.environment == "production":
                    await await_releases(runtime.database, instruments)
                yield
            finally:
                await balances.close()
                for publisher in publishers.values():
                    await publisher.close()

    return ServiceDefinition(
        name=NAME,
        settings=settings,
        build_api=lambda runtime: api.build(runtime, instruments=instruments, balances=balances),
        subscriptions=subscriptions,
        intent_handlers=[
            *watches,
            trace_desk.due_timer(instruments),
            moratorium_desk.reach_timer(instruments),
            sharing_desk.reach_timer(instruments),
            sharing_desk.inquiries_timer(instruments),
            hold_desk.ends_timer(instruments),
            *reconciliation.handlers(),
            *retired_timers(),
            examination_watch(instruments),
            RulesPages(instruments),
            HindsightPages(instruments),
            retention_desk.RetentionPages(instruments),
        ],
        on_heartbeats=on_heartbeats,
        gauges=gauges(instruments, reconciliation),
        lifespan=lifespan,
    )


def _watches(instruments: Instruments) -> list[IntentHandler]:
    """What is looked at again and again, whether or not anybody asks."""
    return [
        watch(feed_desk.WATCH, partial(feed_desk.look_for_silence, instruments=instruments)),
        watch(duty_desk.WATCH, partial(duty_desk.look, instruments=instruments)),
        watch(sample_desk.WATCH, partial(sample_desk.keep_up, instruments=instruments)),
        rules_watch(instruments),
        sealing_desk.timer(instruments),
        erasure_desk.erasures_timer(instruments),
        retention_desk.retention_watch(instruments),
    ]


def _publishers(settings: ServiceSettings) -> dict[str, ServiceClient]:
    """A client of each service whose events compliance reads, its own included: what it sent it reads, too."""
    tokens = ClientCredentials.from_settings(settings)
    return {
        service: ServiceClient(service=service, base_url=getattr(settings, f"{service}_url"), token_source=tokens)
        for service in SERVICES
    }


@asynccontextmanager
async def _sequencing(
    runtime: ServiceRuntime, instruments: Instruments, *, watches: Sequence[str]
) -> AsyncIterator[None]:
    """Workers run the log's sequencer; it begins with the leaf of the rule set they decide by."""
    if "worker" not in runtime.roles:
        yield
        return
    async with runtime.database.unit_of_work() as uow:
        for kind in watches:
            uow.intend(next_look(kind, uow.real_now))
    settings = runtime.settings
    folder = settings.log_folder or settings.key_folder

    async def prepare() -> None:
        await enter_origin(runtime.database, generation=settings.log_generation, key=instruments.log_key, folder=folder)
        await announce_key(
            runtime.database, origin=instruments.log_key.name, versions=instruments.checkpoint_key.versions
        )  # fmt: skip
        await record_rule_set(runtime.database, instruments)
        await begin_turn(runtime.database, instruments)

    head = SignedHead.of(
        folder, settings.log_generation, instruments.log_key, older_keys=instruments.older_log_keys
    )  # fmt: skip
    await refuse_missing_head(runtime.database, head, generation=settings.log_generation)
    sequencer = Sequencer(
        runtime.database,
        runtime.clock,
        key=instruments.log_key,
        signer=instruments.checkpoint_key,
        head=head,
        generation=settings.log_generation,
        prepare=prepare,
    )
    cosigner = Cosigner(
        runtime.database, runtime.clock, witnesses=instruments.witnesses, archive=settings.log_folder
    )  # fmt: skip
    tasks = [
        asyncio.create_task(sequencer.run(), name="log sequencer"),
        asyncio.create_task(cosigner.run(), name="log cosigner"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
