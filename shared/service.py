"""One service process: its definition, and the runtime that runs its roles."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, overload

import uvicorn
import uvloop

from shared.clock import Clock
from shared.database.engine import Database
from shared.digests import digests_router
from shared.garbage import collect_seldom
from shared.messaging.dead_letters import Replayer
from shared.messaging.gauges import GaugeHook
from shared.messaging.intents import IntentHandler
from shared.messaging.liveness import Pulse
from shared.messaging.quiet import QuietProbe
from shared.messaging.retention import Kept
from shared.messaging.runtime import Loop, consumer_loops, relay_loops, worker_loops
from shared.messaging.subscription import HeartbeatHook, Subscription, SuspendedFeeds
from shared.operations import operations_router
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings
from shared.snapshots import StreamFetch, stream_fetch, streams_router
from shared.telemetry.logs import setup_logging
from shared.telemetry.setup import setup_telemetry
from shared.web import commands
from shared.web.health import create_probe_app
from shared.web.sealed_answers import sealing

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

Role = Literal["api", "consumer", "relay", "worker"]
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
ROLES: tuple[Role, ...] = get_args(Role)
STOP_SECONDS = 25.0
_WATCH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ServiceDefinition:
    """What a service is made of; built by its `app.py` in `define(settings) -> ServiceDefinition`, and by nothing else.

    `lifespan` opens what the handlers need (HTTP clients, keys) and closes it when the process stops. `build_api` is
    called once, after the lifespan was entered, when the role `api` runs; `/internal` routes are added to its result.
    """

    name: str
    settings: ServiceSettings
    build_api: Callable[[ServiceRuntime], FastAPI]
    subscriptions: Sequence[Subscription] = ()
    intent_handlers: Sequence[IntentHandler] = ()
    on_heartbeats: HeartbeatHook | None = None
    suspended_feeds: SuspendedFeeds | None = None
    gauges: GaugeHook | None = None
    lifespan: Callable[[ServiceRuntime], AbstractAsyncContextManager[None]] | None = None
    version: str = "0.1.0"


class LoopStuckError(RuntimeError):
    """A loop has not gone round for too long; the process ends, so that it is started anew."""


class ServiceFailedError(RuntimeError):
    """A running service ended by itself; why is logged."""


class ServiceRuntime:
    """A running service process. `database` and `clock` are ready when lifespan, API and handlers are used."""

    def __init__(
        self, definition: ServiceDefinition, *, roles: Sequence[Role] = ROLES, instance: str | None = None
    ) -> None:
        self.definition = definition
        self.settings = definition.settings
        self.roles = tuple(roles)
        self.instance = instance or socket.gethostname()
        self.clock: Clock = definition.settings.clock()
        self.database: Database
        self.started = asyncio.Event()
        self.http_port: int | None = None
        self._stop = asyncio.Event()
        self._pulses: list[Pulse] = []

    def stop(self) -> None:
        """Ask `run` to end gracefully."""
        self._stop.set()

    async def run(self) -> None:
        """Run the roles until `stop`, then end gracefully within one deadline. Raises what ended a role by itself."""
        async with AsyncExitStack() as resources:
            self.database = await Database.open(self.settings, self.clock, service=self.definition.name)
            resources.push_async_callback(self.database.close)
            if self.definition.lifespan is not None:
                await resources.enter_async_context(self.definition.lifespan(self))
            sealer = RecordSealer(
                LocalKeyManagement.open(self.settings.key_folder, self.definition.name), service=self.definition.name
            )
            fetch = stream_fetch(self.database, self.settings, self.definition.subscriptions, sealer=sealer)
            first = self._inputs(sealer, await resources.enter_async_context(fetch))
            if "api" in self.roles:
                probe = QuietProbe(self.database, reads=self._reads())
                resources.push_async_callback(probe.close)
                first.append(_HttpServer(self.build_app(probe, sealer), self))
            else:
                # A process without API is probed and scraped all the same.
                first.append(_HttpServer(create_probe_app(self.definition.name, self.database), self))
            # The relay ends last: it publishes what the others have just committed.
            await self._run_loops(first, self._outputs())

    async def _run_loops(self, first: Sequence[Loop], last: Sequence[Loop]) -> None:
        tasks = {asyncio.create_task(loop.run(), name=type(loop).__name__): loop for loop in (*first, *last)}
        watch = asyncio.create_task(self._watch(), name="watch")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        self.started.set()
        try:
            done, _ = await asyncio.wait({*tasks, watch, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
            if stopping not in done:
                raise RuntimeError(f"{', '.join(task.get_name() for task in done)} ended by itself")
        finally:
            watch.cancel()
            stopping.cancel()
            await _stop_in_order(tasks, first, last)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _inputs(self, sealer: RecordSealer, fetch: StreamFetch) -> list[Loop]:
        loops: list[Loop] = []
        definition = self.definition
        if "consumer" in self.roles:
            loops += consumer_loops(
                self.database,
                definition.subscriptions,
                sealer=sealer,
                instance=self.instance,
                pulse=self._pulse("consumer"),
                on_heartbeats=definition.on_heartbeats,
            )
        if "worker" in self.roles:
            loops += worker_loops(
                self.database,
                [*definition.intent_handlers, fetch],
                pulse=self._pulse("worker"),
                kept=[Kept(commands.trim, commands.RESPONSES_KEPT), Kept(sealing(sealer), timedelta(0))],
            )
        return loops

    def _outputs(self) -> list[Loop]:
        if "relay" not in self.roles:
            return []
        foreign = [item.topic for item in self.definition.subscriptions if item.foreign is not None]
        return relay_loops(
            self.database,
            reads=self._reads(),
            instance=self.instance,
            pulse=self._pulse("relay"),
            foreign=foreign,
            suspended_feeds=self.definition.suspended_feeds,
            gauges=self.definition.gauges,
        )

    def build_app(self, probe: QuietProbe, sealer: RecordSealer) -> FastAPI:
        """The whole HTTP side of the process: the service's own API, and the routes for its operators."""
        app = self.definition.build_api(self)
        replayer = Replayer(self.database, self.definition.subscriptions, sealer=sealer)
        app.include_router(
            operations_router(self.database, quiet=probe, replayer=replayer, sealer=sealer), include_in_schema=False
        )
        app.include_router(streams_router(self.database), include_in_schema=False)
        app.include_router(digests_router(self.database), include_in_schema=False)
        return app

    def _reads(self) -> list[str]:
        """The topics of ours that the service reads."""
        return [item.topic for item in self.definition.subscriptions if item.foreign is None]

    def _pulse(self, role: Role) -> Pulse:
        pulse = Pulse(role)
        self._pulses.append(pulse)
        return pulse

    async def _watch(self) -> None:
        """Liveness comes from the loops themselves."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            stuck = [loop for pulse in self._pulses for loop in pulse.stuck()]
            if stuck:
                raise LoopStuckError(", ".join(stuck))


class _HttpServer(uvicorn.Server):
    """Uvicorn inside the service's own event loop. Signals are the runtime's."""

    def __init__(self, app: FastAPI, runtime: ServiceRuntime) -> None:
        settings = runtime.settings
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.http_host,
                port=settings.http_port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(STOP_SECONDS / 2),
            )
        )
        self._runtime = runtime

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def run(self) -> None:  # type: ignore[override]  # our loops are awaited; uvicorn's own `run` would block
        """Serve until stopped."""
        await self.serve()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and remember the port that was given for port 0. Raises OSError when the address is taken."""
        await super().startup(sockets)
        if self.should_exit:
            raise OSError(f"cannot listen on {self.config.host}:{self.config.port}")
        self._runtime.http_port = self.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Accept no more requests and finish those that run."""
        self.should_exit = True


async def _stop_in_order(tasks: dict[asyncio.Task[None], Loop], first: Sequence[Loop], last: Sequence[Loop]) -> None:
    """Stop `first`, then `last`; one deadline for all. What has not ended by then is cancelled."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            for group in (first, last):
                for loop in group:
                    loop.stop()
                ending = [task for task, loop in tasks.items() if loop in group]
                if ending:
                    await asyncio.wait(ending)
    except TimeoutError:
        log.warning("some loops did not end in time and are cancelled")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def serve(definition: ServiceDefinition, *, roles: Sequence[Role] = ROLES, instance: str | None = None) -> None:
    """Run a service until SIGTERM or SIGINT."""
    runtime = ServiceRuntime(definition, roles=roles, instance=instance)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.stop)
    collect_seldom()
    try:
        await runtime.run()
    except Exception as error:
        if not runtime.started.is_set():
            raise  # of settings or servers: nobody's data was touched yet, and whoever starts it reads the text
        for one in faults_of(error):
            # Our own faults say in closed words what ends the process; the texts of others may quote a row.
            own = type(one).__module__.startswith(("shared.", "services."))
            log.critical("the process ends", exc_info=one, extra={"reason": str(one)} if own else {})
        raise ServiceFailedError from None


def faults_of(error: BaseException) -> list[BaseException]:
    """The single faults of an error that may be a group of them."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [fault for one in error.exceptions for fault in faults_of(one)]


@overload
def run_service(define: Callable[[ServiceSettings], ServiceDefinition]) -> None: ...
@overload
def run_service(define: Callable[[SettingsT], ServiceDefinition], *, settings_type: type[SettingsT]) -> None: ...
def run_service(
    define: Callable[[Any], ServiceDefinition], *, settings_type: type[ServiceSettings] = ServiceSettings
) -> None:
    """Entry of `python -m services.<s> --roles api,consumer,relay,worker`: read settings, define, run."""
    parser = argparse.ArgumentParser(description="Run one service")
    parser.add_argument("--roles", default=",".join(ROLES), help="comma-separated, of " + ", ".join(ROLES))
    parser.add_argument("--instance", default=None, help="name of this replica; by default the host's name")
    arguments = parser.parse_args()
    roles = [role for role in ROLES if role in arguments.roles.split(",")]
    if unknown := set(arguments.roles.split(",")) - set(ROLES):
        parser.error(f"unknown roles: {', '.join(sorted(unknown))}")
    settings = settings_type()
    definition = define(settings)
    setup_logging(service=definition.name, tenant=settings.tenant)
    telemetry = setup_telemetry(settings, service=definition.name, version=definition.version)
    try:
        uvloop.run(serve(definition, roles=roles, instance=arguments.instance))
    except ServiceFailedError:
        raise SystemExit(1) from None
    finally:
        telemetry.shutdown()
