"""The composition root of intake."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI

from services.intake.access_desk import give_lists, intake_texts
from services.intake.ageing import DayClose
from services.intake.api.cases import cases_router, control_router
from services.intake.api.demands import demands_router
from services.intake.api.events import events_router
from services.intake.api.exports import exports_router
from services.intake.api.feed_suspensions import feed_suspensions_router
from services.intake.api.history import history_router
from services.intake.api.people import people_router
from services.intake.api.portfolio import portfolio_router
from services.intake.api.reconciliation import reconciliation_router
from services.intake.api.references import references_router
from services.intake.api.scores import scores_router
from services.intake.api.steps import steps_router
from services.intake.api.strategy import strategy_router
from services.intake.api.timeline import timeline_router
from services.intake.api.write_backs import write_backs_router
from services.intake.balances import Balances
from services.intake.consumers import subscriptions
from services.intake.control_totals import CompareTotals
from services.intake.core_port import CorePort
from services.intake.examples import EXAMPLES
from services.intake.feed_recalls import RecallPlanned
from services.intake.fineract.adapter import FineractAdapter
from services.intake.fineract.people_watch import PeopleWatch
from services.intake.fineract.port import FineractPort
from services.intake.fineract.settings import FineractSettings
from services.intake.folding import Folding
from services.intake.following import Following
from services.intake.homes import LearnHomes, learn_homes
from services.intake.identifying import SettleIdentity
from services.intake.indexing import LearnIndexes, learn_indexes
from services.intake.minors import WatchMinors, look_at_everybody, next_midnight
from services.intake.reconciling import Looking, LookingAgain
from services.intake.score_desk import ScoreRun, Scoring
from services.intake.scoring.release import Release, read_folder, release
from services.intake.scoring.shipped import SHIPPED
from services.intake.settings import IntakeSettings
from services.intake.store import feed_suspensions
from services.intake.strategy import release as strategies
from services.intake.strategy_desk import ChooseActions, ChooseAll, Deciding, begin_use
from services.intake.strategy_timers import ChooseAtTurns, ChooseDue, next_sweep
from services.intake.tape_watch import TapeWatch, next_watch
from services.intake.timeline_desk import GatherTimeline, gather_timeline
from services.intake.write_back_port import WriteBackPort
from services.intake.write_backs import WriteBacks
from shared.access.routes import access_router
from shared.database import UnitOfWork
from shared.messaging import IntentHandler, Subscription
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.signing import SigningKey
from shared.security.token_source import ClientCredentials
from shared.security.tokens import TokenVerifier
from shared.service import ServiceDefinition, ServiceRuntime
from shared.settings import ServiceSettings
from shared.web.app import ApiDefinition, create_app
from shared.web.client import ServiceClient
from shared.web.jwks import jwks_router

log = logging.getLogger(__name__)

_DESCRIPTION = """What a bank core says of loans and people becomes cases, free of names and addresses: one case per
party over all its overdue loans. Personal data are sealed per party and read under purpose only, with a record."""
# A batch of 1,000 facts of about 1 kB each, with room for long due lists.
_BODY_LIMIT_BYTES = 4 * 1024 * 1024


def define(settings: ServiceSettings) -> ServiceDefinition:
    """What intake is made of."""
    own = IntakeSettings()
    keys = LocalKeyManagement.open(settings.key_folder, "intake")
    folding = Folding(own, own.policy(), PartyCipher(keys, tenant=settings.tenant))
    scored_by = _release(settings, own)
    deciding = Deciding.of(_strategy(settings, own), own)
    key = SigningKey.open(settings.key_folder, "balance")
    tokens = ClientCredentials.from_settings(settings)
    foreign = FineractSettings()
    fineract = FineractPort(foreign) if foreign.is_on else None
    people_watch = PeopleWatch.of(foreign, fineract, folding, tenant=settings.tenant)
    core = ServiceClient(service="core", base_url=settings.core_url, token_source=tokens) if settings.core_url else None

    def build_api(runtime: ServiceRuntime) -> FastAPI:
        balances = Balances(
            runtime.database, folding.policy, runtime.clock, key, None if core is None else CorePort(core)
        )
        return _api(runtime, settings, [*routers(balances, folding, scored_by, deciding), jwks_router(key)])

    @asynccontextmanager
    async def lifespan(runtime: ServiceRuntime) -> AsyncIterator[None]:
        if "worker" in runtime.roles:
            async with runtime.database.unit_of_work() as uow:
                await begin_use(uow, deciding.strategy)
                _intend_what_recurs(uow, own, people_watch)
        try:
            yield
        finally:
            if core is not None:
                await core.close()
            if fineract is not None:
                await fineract.close()
            await tokens.close()

    return ServiceDefinition(
        name="intake",
        settings=settings,
        build_api=build_api,
        subscriptions=[
            *subscriptions(folding, Following(folding, deciding, writes_back=core is not None)),
            *([] if fineract is None else [_fineract(foreign, fineract, folding, settings)]),
        ],
        intent_handlers=[
            *_intent_handlers(own, folding, scored_by, None if core is None else CorePort(core)),
            ChooseActions(deciding),
            ChooseAll(deciding),
            ChooseDue(deciding),
            ChooseAtTurns(deciding),
            *([] if people_watch is None else [people_watch]),
            *([] if core is None else [WriteBacks(WriteBackPort(core), _without_write_back(foreign))]),
        ],
        lifespan=lifespan,
        suspended_feeds=feed_suspensions.standing,
    )


def _intend_what_recurs(uow: UnitOfWork, own: IntakeSettings, people_watch: PeopleWatch | None) -> None:
    """What runs once for ever, or by the clock: the intents of a process that has them already change nothing."""
    uow.intend(learn_homes(uow))
    uow.intend(next_sweep(uow, own.time_zone))
    uow.intend(learn_indexes(uow))
    uow.intend(gather_timeline(uow))
    uow.intend(look_at_everybody(uow))
    uow.intend(next_midnight(uow, own.time_zone))
    if own.feed_folder is not None:
        uow.intend(next_watch(uow))
    if people_watch is not None:
        uow.intend(people_watch.next_round(uow))


def _api(runtime: ServiceRuntime, settings: ServiceSettings, answering: Sequence[APIRouter]) -> FastAPI:
    return create_app(
        ApiDefinition(
            service="intake",
            title="Intake",
            # 2: cases can be closed; 3: purposes of cards are closed, a search has a scope of its own;
            # 4: up to nine buckets
            version="4.0.0",
            description=_DESCRIPTION,
            routers=answering,
            settings=settings,
            database=runtime.database,
            verifier=TokenVerifier.from_settings(settings, runtime.clock),
            examples=EXAMPLES,
            body_limit_bytes=_BODY_LIMIT_BYTES,
        )
    )


def routers(balances: Balances, folding: Folding, scored_by: Release, deciding: Deciding) -> list[APIRouter]:
    """Everything that intake's API answers."""
    database = balances.database
    return [
        events_router(folding),
        cases_router(balances),
        control_router(balances),
        history_router(database, folding.policy),
        reconciliation_router(database),
        portfolio_router(database),
        demands_router(folding),
        people_router(database, folding.cipher),
        timeline_router(database),
        exports_router(database, folding.policy),
        scores_router(database, scored_by),
        strategy_router(database, deciding),
        steps_router(database, deciding),
        references_router(),
        write_backs_router(database),
        feed_suspensions_router(database),
        access_router("intake", intake_texts(), partial(give_lists, folding.cipher)),
    ]


def _intent_handlers(
    own: IntakeSettings, folding: Folding, scored_by: Release, core: CorePort | None
) -> list[IntentHandler]:
    """What intake does later. Without the core's balance port there is nothing to compare with."""
    reconciling = () if core is None else (Looking(folding, core), LookingAgain(folding, core))
    return [
        DayClose(folding, reconciles=core is not None and own.reconcile_after_close),
        CompareTotals(folding.policy, suspends=core is None or not own.reconcile_after_close),
        ScoreRun(Scoring.of(scored_by, own)),
        LearnHomes(folding),
        SettleIdentity(own),
        RecallPlanned(),
        LearnIndexes(folding.cipher, own.ageing_batch),
        WatchMinors(folding.cipher, own.time_zone, own.ageing_batch),
        GatherTimeline(),
        *([] if own.feed_folder is None else [TapeWatch(own, own.feed_folder)]),
        *reconciling,
    ]


def _without_write_back(foreign: FineractSettings) -> frozenset[str]:
    """Fineract's public API takes at most a note on a loan: no agreement, no hold, no contact."""
    return frozenset({foreign.core}) if foreign.is_on else frozenset()


def _release(settings: ServiceSettings, own: IntakeSettings) -> Release:
    """The model that scores. A file that was changed ends the process; one that may not be used leaves the rules."""
    found = release(read_folder(own.score_folder or SHIPPED), production=settings.environment == "production")
    if found.not_used is not None:
        log.warning("no scores: the model is not used", extra={"reason": found.not_used})
    return found


def _strategy(settings: ServiceSettings, own: IntakeSettings) -> strategies.Strategy:
    """The strategy that chooses. One that may not be used lets every case wait; a faulty file ends the process."""
    folder = own.strategy_folder or strategies.SHIPPED
    found = strategies.release(strategies.read_folder(folder), production=settings.environment == "production")
    if found.not_used is not None:
        log.warning("every case waits: the strategy is not used", extra={"reason": found.not_used})
    return found


def _fineract(
    foreign: FineractSettings, port: FineractPort, folding: Folding, settings: ServiceSettings
) -> Subscription:
    adapter = FineractAdapter.of(foreign, port, folding, tenant=settings.tenant)
    options = foreign.client_options(production=settings.environment == "production")
    return adapter.subscription(name=foreign.topic, group=foreign.group, options=options)
