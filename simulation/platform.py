"""What the simulation needs of a running platform. `cli.platform.Platform` is one; the simulation never imports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

DRIVER_CLIENT = "demo-driver"
CORE_PRINCIPAL = "core"
ORACLE_PRINCIPAL = "oracle"
ISSUER = "issuer"


class Client(Protocol):
    """A client of the development issuer."""

    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> str: ...


class Broker(Protocol):
    """The broker's address and passwords."""

    def client_options(self, principal: str) -> dict[str, Any]:
        """aiokafka keyword arguments of a principal."""
        ...


class Platform(Protocol):
    """Servers, issuer and services of one run, already started."""

    @property
    def prefix(self) -> str: ...
    @property
    def kafka(self) -> Broker: ...
    @property
    def clients(self) -> Mapping[str, Client]: ...

    def url(self, name: str) -> str:
        """Base address of a service, or of the issuer."""
        ...

    def kill_service(self, name: str) -> None:
        """SIGKILL, as in a crash."""
        ...

    async def restart_service(self, name: str) -> None:
        """Start it again; returns when it is ready."""
        ...
