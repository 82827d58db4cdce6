"""The OpenAPI document of each service, built from its definition without database, broker or network."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from pydantic import SecretStr

from services.assignment.app import define as define_assignment
from services.compliance.app import define as define_compliance
from services.intake.app import define as define_intake
from services.plans.app import define as define_plans
from services.visits.app import define as define_visits
from services.visits.settings import VisitSettings
from shared.database import Database
from shared.messaging.quiet import QuietProbe
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.service import ServiceDefinition, ServiceRuntime
from shared.settings import ServiceSettings
from shared.web.app import PUBLIC_PATHS, demanded_scopes
from shared.web.breaking import Document, breaking_changes
from shared.web.completeness import gaps

# Named as in the document; nothing is ever asked of it here.
ISSUER: Final = "https://issuer.example"
_DEFINITIONS: Final[Mapping[str, Callable[[Path], ServiceDefinition]]] = {
    "intake": lambda folder: define_intake(_settings(ServiceSettings, folder)),
    "assignment": lambda folder: define_assignment(_settings(ServiceSettings, folder)),
    "visits": lambda folder: define_visits(_settings(VisitSettings, folder)),
    "plans": lambda folder: define_plans(_settings(ServiceSettings, folder)),
    "compliance": lambda folder: define_compliance(_settings(ServiceSettings, folder)),
}


@dataclass(frozen=True)
class BuiltApi:
    """One service's HTTP side: its document, and the scopes that its routes demand, operators' routes included."""

    document: Document
    scopes: frozenset[str]


def build() -> dict[str, BuiltApi]:
    """Service → its API, built as its process builds it. Keys are made in a folder that is deleted afterwards; the
    database is never connected to.
    """
    return asyncio.run(_build())


def definition(service: str, folder: Path) -> ServiceDefinition:
    """What a service is made of, with settings that reach nothing; keys would be made in `folder`."""
    return _DEFINITIONS[service](folder)


def documents() -> dict[str, Document]:
    """Service → its OpenAPI 3.1 document."""
    return {name: api.document for name, api in build().items()}


async def _build() -> dict[str, BuiltApi]:
    built: dict[str, BuiltApi] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, define in _DEFINITIONS.items():
            async with _opened(define(Path(folder))) as app:
                built[name] = BuiltApi(app.openapi(), frozenset(demanded_scopes(app).values()))
    return built


@asynccontextmanager
async def _opened(definition: ServiceDefinition) -> AsyncIterator[FastAPI]:
    runtime = ServiceRuntime(definition, roles=["api"])
    async with AsyncExitStack() as resources:
        runtime.database = await Database.open(runtime.settings, runtime.clock, service=definition.name)
        resources.push_async_callback(runtime.database.close)
        if definition.lifespan is not None:
            await resources.enter_async_context(definition.lifespan(runtime))
        sealer = RecordSealer(
            LocalKeyManagement.open(runtime.settings.key_folder, definition.name), service=definition.name
        )
        yield runtime.build_app(QuietProbe(runtime.database, reads=()), sealer)


def export(folder: Path) -> int:
    """Write `<service>.json` of each service into `folder`; returns how many. Raises ValueError when one would break
    the last release.
    """
    built = documents()
    if breaks := breaks_of(built, folder):
        raise ValueError("breaking change without a new major version:\n" + "\n".join(breaks))
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in built.items():
        (folder / f"{name}.json").write_text(text_of(document), encoding="utf-8")
    return len(built)


def breaks_of(built: Mapping[str, Document], folder: Path) -> list[str]:
    """What `built` breaks against the released documents in `folder`, one line each."""
    found: list[str] = []
    for path in sorted(folder.glob("*.json")):
        if path.stem not in built:
            found.append(f"{path.stem}: the service is gone")
            continue
        released = json.loads(path.read_text(encoding="utf-8"))
        found += [f"{path.stem}: {change}" for change in breaking_changes(released, built[path.stem])]
    return found


def stale_files(built: Mapping[str, Document], folder: Path) -> list[str]:
    """Files in `folder` that do not equal what is built today."""
    return [
        f"openapi/{name}.json"
        for name, document in built.items()
        if not (path := folder / f"{name}.json").exists() or path.read_text(encoding="utf-8") != text_of(document)
    ]


def gaps_of(built: Mapping[str, Document]) -> list[str]:
    """What readers of `built` would miss, one line each."""
    return [f"{name}: {gap}" for name, document in built.items() for gap in gaps(document, open_paths=PUBLIC_PATHS)]


def text_of(document: Document) -> str:
    """The file's text. Keys keep the order of the code, which is the order a reader wants."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _settings(kind: type[Any], folder: Path) -> Any:
    # Given, so that no variable of the surroundings can get into a document.
    return kind(
        environment="development",
        tenant="bank",
        database_url=SecretStr("postgresql://nobody@127.0.0.1:9/none"),
        kafka_bootstrap="127.0.0.1:9",
        oidc_issuer=ISSUER,
        key_folder=folder,
        clock_file=None,
        core_url="",
    )
