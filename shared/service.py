"""One service process: its definition, and the runtime that runs its roles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shared.clock import Clock
from shared.database.engine import Database
from shared.messaging.intents import IntentHandler
from shared.messaging.subscription import HeartbeatHook, Subscription
from shared.settings import ServiceSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

Role = Literal["api", "consumer", "relay", "worker"]
ROLES: tuple[Role, ...] = ("api", "consumer", "relay", "worker")


@dataclass(frozen=True, kw_only=True)
class ServiceDefinition:
    """What a service is made of; built by its `app.py` in `define(settings) -> ServiceDefinition`, and by nothing else.

    `lifespan` opens what the handlers need (HTTP clients, keys) and closes it when the process stops. `build_api` is
    called once, after the lifespan was entered, when the role `api` runs.
    """

    name: str
    settings: ServiceSettings
    build_api: Callable[[ServiceRuntime], FastAPI]
    subscriptions: Sequence[Subscription] = ()
    intent_handlers: Sequence[IntentHandler] = ()
    on_heartbeats: HeartbeatHook | None = None
    lifespan: Callable[[ServiceRuntime], AbstractAsyncContextManager[None]] | None = None
    version: str = "0.1.0"


class ServiceRuntime:
    """A running service process. `database` and `clock` are ready when lifespan, API and handlers are built."""

    def __init__(self, definition: ServiceDefinition, *, roles: Sequence[Role] = ROLES) -> None:
        self.definition = definition
        self.settings = definition.settings
        self.roles = tuple(roles)
        self.clock: Clock = definition.settings.clock()
        self.database: Database

    async def run(self) -> None:
        """Run the roles until SIGTERM or SIGINT, then stop gracefully within one deadline."""
        raise NotImplementedError


def run_service(define: Callable[[ServiceSettings], ServiceDefinition]) -> None:
    """Entry of `python -m services.<s> --roles api,consumer,relay,worker`: read settings, define, run."""
    raise NotImplementedError
