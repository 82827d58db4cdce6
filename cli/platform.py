"""The whole platform on one machine: PostgreSQL, Kafka, the development issuer and the services as child processes."""

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from cli.processes import ChildProcess
from shared.embedded.home import LOOPBACK, EmbeddedServerError, Progress, free_port, silent
from shared.embedded.kafka import ADMIN, PRINCIPALS, KafkaAccess
from shared.embedded.provision import (
    ServiceDatabase,
    database_urls,
    drop,
    ensure_principals,
    provision_databases,
    provision_topics,
)
from shared.embedded.servers import EmbeddedServers
from shared.events.topics import SERVICES
from shared.security.clients import DevelopmentClient, create_clients, read_clients
from shared.service import ROLES, Role
from shared.settings import ServiceSettings

ISSUER = "issuer"
ISSUER_MODULE = "shared.security.issuer"
# What people read in the documentation; another port is taken when somebody listens there already.
PREFERRED_PORTS = {ISSUER: 8100} | {service: 8101 + index for index, service in enumerate(SERVICES)}
WATCH_SECONDS = 0.2
MOST_RESTARTS = 4
RESTARTS_SECONDS = 300.0


class Platform:
    """Starts what is asked for, in order, and stops it in reverse; `async with` stops whatever was started.

    External servers are used instead of the embedded ones when `DOORSTEP_DATABASE_URL` (of a role that may make
    databases and roles) or `DOORSTEP_KAFKA_BOOTSTRAP` is set, the latter with `DOORSTEP_KAFKA_PASSWORD` of its super
    user `admin`; the principals' passwords are then set there anew.
    `prefix` keeps runs apart on shared servers. `environment` is given to every service (`DOORSTEP_CLOCK_FILE`, …).
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        prefix: str = "",
        environment: Mapping[str, str] | None = None,
        on_progress: Progress = silent,
        fixed_ports: bool = False,
    ) -> None:
        self.servers = EmbeddedServers(folder)
        self.prefix = prefix
        self.environment = dict(environment or {})
        self.on_progress = on_progress
        # Per prefix: keys, clients and logs of one run do not mix with another's.
        self.folder = self.servers.home.folder / "runs" / (prefix.rstrip("_") or "default")
        self.clients: dict[str, DevelopmentClient] = {}
        self.ports = {name: free_port(PREFERRED_PORTS[name] if fixed_ports else None) for name in PREFERRED_PORTS}
        self.databases: dict[str, ServiceDatabase] = {}
        self.processes: dict[str, ChildProcess] = {}
        self._admin_url: str | None = None
        self._kafka: KafkaAccess | None = None
        self._holds_servers = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def admin_url(self) -> str:
        """The database superuser's URL. Raises RuntimeError before `start_servers`."""
        if self._admin_url is None:
            raise RuntimeError("the platform's servers were not started")
        return self._admin_url

    @property
    def kafka(self) -> KafkaAccess:
        """The broker's address and passwords. Raises RuntimeError before `start_servers`."""
        if self._kafka is None:
            raise RuntimeError("the platform's servers were not started")
        return self._kafka

    @property
    def _clients_file(self) -> Path:
        return self.folder / "oidc-clients.json"

    def url(self, name: str) -> str:
        """The base address of a service, or of the issuer."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    async def start(self) -> None:
        """Everything: servers, databases, topics, issuer, all services with all roles. Raises on the first failure."""
        await self.start_servers()
        await self.provision()
        await self.start_issuer()
        await self.start_services()

    def attach(self) -> None:
        """Joins a run whose servers are up, without starting or holding anything. Raises EmbeddedServerError."""
        database_url = os.environ.get("DOORSTEP_DATABASE_URL")
        if not database_url and not self.servers.postgres.is_running():
            raise EmbeddedServerError("PostgreSQL does not run here; start the platform with ./doorstep serve")
        self._admin_url = database_url or self.servers.postgres.admin_url
        bootstrap = os.environ.get("DOORSTEP_KAFKA_BOOTSTRAP")
        self._kafka = self._external_kafka(bootstrap) if bootstrap else self.servers.kafka.access
        password = self.servers.home.password
        self.databases = {
            service: database_urls(
                self._admin_url, self.prefix + service, role=self.prefix + service, password=password
            )
            for service in SERVICES
        }
        self.clients = read_clients(self._clients_file)

    async def start_servers(self) -> None:
        """PostgreSQL and Kafka, or the external ones. Raises EmbeddedServerError."""
        database_url, bootstrap = os.environ.get("DOORSTEP_DATABASE_URL"), os.environ.get("DOORSTEP_KAFKA_BOOTSTRAP")
        self._holds_servers = True
        await asyncio.to_thread(self.servers.start, self.on_progress, postgres=not database_url, kafka=not bootstrap)
        self._admin_url = database_url or self.servers.postgres.admin_url
        if bootstrap:
            self._kafka = self._external_kafka(bootstrap)
            await ensure_principals(self._kafka)
        else:
            self._kafka = self.servers.kafka.access

    def _external_kafka(self, bootstrap: str) -> KafkaAccess:
        passwords = {name: self.servers.home.password(f"kafka/{name}") for name in PRINCIPALS}
        passwords[ADMIN] = os.environ.get("DOORSTEP_KAFKA_PASSWORD", "")
        return KafkaAccess(bootstrap=bootstrap, passwords=passwords)

    async def provision(self) -> None:
        """Databases, roles, migrations, topics and access rules of this prefix."""
        self.on_progress("Databases, topics and access rules", 0, 1)
        self.databases, _ = await asyncio.gather(
            provision_databases(self.admin_url, self.prefix, password=self.servers.home.password),
            provision_topics(self.kafka, self.prefix),
        )
        self.on_progress("Databases, topics and access rules", 1, 1)

    async def drop(self) -> None:
        """Removes all that `provision` made, with the run's keys and logs. Call it when the services are stopped."""
        await drop(self.prefix, admin_url=self.admin_url, kafka=self.kafka)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def start_issuer(self) -> None:
        """The development issuer of access tokens, with new secrets for every client of today's scope catalogue."""
        self._clients_file.unlink(missing_ok=True)
        self.clients = create_clients(self._clients_file)
        await self._start([self._issuer()])

    async def start_services(
        self,
        services: Sequence[str] = SERVICES,
        *,
        roles: Sequence[Role] = ROLES,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """One process per service with these roles; returns when each answers /health/ready."""
        await self._start([self._service(service, service, roles, environment or {}) for service in services])

    async def start_service(
        self, service: str, *, name: str, roles: Sequence[Role], environment: Mapping[str, str] | None = None
    ) -> None:
        """One more process of a service under a name of its own, for instance a second relay."""
        await self._start([self._service(service, name, roles, environment or {})])

    def kill_service(self, name: str) -> None:
        """SIGKILL to a process, as in a crash."""
        self.processes[name].kill()

    async def stop_service(self, name: str) -> None:
        """Stops a process gracefully."""
        await self.processes[name].stop()

    async def restart_service(self, name: str) -> None:
        """Starts a process again, with the same settings and port, after stopping it if it runs; waits until ready."""
        process = self.processes[name]
        await process.stop()
        process.start()
        await process.wait_until_ready()

    async def wait_for_failure(self) -> NoReturn:
        """Returns never; raises ProcessFailedError as soon as a child ends without having been told to."""
        while True:
            for process in list(self.processes.values()):
                if process.has_failed:
                    raise process.failure()
            await asyncio.sleep(WATCH_SECONDS)

    async def keep_running(self, say: Callable[[str], None]) -> NoReturn:
        """Returns never; starts again what ends without having been told to, as an orchestrator does, and says so.

        Raises ProcessFailedError for what ended `MOST_RESTARTS` times and more within `RESTARTS_SECONDS`.
        """
        ended: defaultdict[str, list[float]] = defaultdict(list)
        while True:
            for process in list(self.processes.values()):
                if not process.has_failed:
                    continue
                now = asyncio.get_running_loop().time()
                times = ended[process.name]
                times[:] = [*(one for one in times if now - one < RESTARTS_SECONDS), now]
                failure = process.failure()
                if len(times) > MOST_RESTARTS:
                    raise failure
                say(f"{str(failure).splitlines()[0]} It is started again; {process.log} says more.")
                await asyncio.sleep(2.0 ** (len(times) - 1) - 1)
                process.start()
            await asyncio.sleep(WATCH_SECONDS)

    async def stop(self) -> None:
        """Services (all at once, they are independent), issuer, then the servers if nobody else holds them."""
        issuer = self.processes.pop(ISSUER, None)
        await asyncio.gather(*(process.stop() for process in self.processes.values()))
        self.processes.clear()
        if issuer:
            await issuer.stop()
        if self._holds_servers:
            self._holds_servers = False
            await asyncio.to_thread(self.servers.release)

    async def _start(self, processes: Sequence[ChildProcess]) -> None:
        for process in processes:
            self.processes[process.name] = process
            process.start()
        readiness = asyncio.as_completed([self._ready(process) for process in processes])
        for done, ready in enumerate(readiness, start=1):
            self.on_progress(f"Processes: {await ready} is ready", done, len(processes))

    @staticmethod
    async def _ready(process: ChildProcess) -> str:
        await process.wait_until_ready()
        return process.name

    def _issuer(self) -> ChildProcess:
        environment = self._shared_environment() | {"DOORSTEP_ISSUER_CLIENTS": str(self._clients_file)}
        ready_url = f"{self.url(ISSUER)}/.well-known/openid-configuration"
        return self._child(ISSUER, ISSUER_MODULE, [], environment, ready_url)

    def _service(self, service: str, name: str, roles: Sequence[Role], environment: Mapping[str, str]) -> ChildProcess:
        # The address others know belongs to the first process; a further one listens beside it.
        port = self.ports[service] if name == service else free_port()
        environment = self.service_environment(service, port=port) | dict(environment)
        ready_url = f"http://{LOOPBACK}:{port}/health/ready"
        arguments = ["--roles", ",".join(roles), "--instance", name]  # two members of a group need two names
        return self._child(name, f"services.{service}", arguments, environment, ready_url)

    def service_environment(self, service: str, *, port: int | None = None) -> dict[str, str]:
        """The environment of a service's process: its settings, ready for `os.environ` or a container."""
        settings = self._shared_environment() | {
            "DOORSTEP_DATABASE_URL": self.databases[service].url,
            "DOORSTEP_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "DOORSTEP_KAFKA_USERNAME": service,
            "DOORSTEP_KAFKA_PASSWORD": self.kafka.passwords[service],
            "DOORSTEP_HTTP_HOST": LOOPBACK,
            "DOORSTEP_HTTP_PORT": str(port or self.ports[service]),
            "DOORSTEP_OIDC_CLIENT_ID": service,
            "DOORSTEP_OIDC_CLIENT_SECRET": self.clients[service].client_secret,
            "DOORSTEP_KEY_FOLDER": str(self.folder / "keys" / service),
        }
        return settings | self.environment

    def settings(self, service: str) -> ServiceSettings:
        """The same as `ServiceSettings`, for tools that work beside the service."""
        environment = self.service_environment(service)
        values: dict[str, Any] = {name.removeprefix("DOORSTEP_").lower(): text for name, text in environment.items()}
        return ServiceSettings(**values)

    def _shared_environment(self) -> dict[str, str]:
        urls = {f"DOORSTEP_{service.upper()}_URL": self.url(service) for service in SERVICES}
        return urls | {
            "DOORSTEP_ENVIRONMENT": "development",
            "DOORSTEP_PREFIX": self.prefix,
            "DOORSTEP_OIDC_ISSUER": self.url(ISSUER),
        }

    def _child(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], ready_url: str
    ) -> ChildProcess:
        return ChildProcess(
            name=name,
            module=module,
            arguments=arguments,
            environment=environment,
            ready_url=ready_url,
            log=self.folder / "logs" / f"{name}.log",
        )
