"""The app factory: one place that decides what every service's HTTP side has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import Scope

from shared.database import Database
from shared.security.callers import RequiredScope
from shared.security.key_management import LocalKeyManagement
from shared.security.sealing import RecordSealer
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.web.docs import docs_router
from shared.web.edge import Edge
from shared.web.examples import ExampleKey
from shared.web.health import Probe, health_router
from shared.web.limits import RequestLimits
from shared.web.observed import Observed
from shared.web.openapi import describe
from shared.web.problem_responses import add_problem_handlers
from shared.web.straight import Endpoint, Place, Straight, StraightRoutes, straight_routes

# Open by design: probes, scrapes, documentation, public keys.
PUBLIC_PATHS: Final = frozenset(
    {"/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/.well-known/jwks.json"}
)


class RouteWithoutScopeError(RuntimeError):
    """A route demands no scope: refused at start, so that nothing is open by oversight."""


@dataclass(frozen=True, kw_only=True)
class ApiDefinition:
    """What one service's API is made of. `state` is put on `request.app.state` beside `database`, `settings`,
    `verifier` and `sealer` (seals the answers of commands). `version` counts the contract: a breaking change of the API
    needs a new major version. `examples` are shown in the OpenAPI document wherever their model is read or answered.
    `straight`: what answers the routes that are asked most (`shared/web/straight`).
    """

    service: str
    title: str
    description: str
    routers: Sequence[APIRouter]
    settings: ServiceSettings
    database: Database
    verifier: TokenVerifier
    version: str = "1.0.0"
    examples: Mapping[ExampleKey, Mapping[str, Any]] = field(default_factory=dict)
    state: Mapping[str, object] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
    straight: Sequence[Endpoint] = ()
    body_limit_bytes: int = 1024 * 1024
    body_timeout_seconds: float = 15.0
    request_timeout_seconds: float = 30.0


def create_app(definition: ApiDefinition) -> FastAPI:
    """The service's API. Raises RouteWithoutScopeError when a route demands no scope of the catalogue."""
    straight: dict[Place, Straight] = {}
    app = FastAPI(
        title=definition.title,
        description=definition.description,
        version=definition.version,
        lifespan=definition.lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={
            "logs": False,  # they would carry exception messages, which may hold personal data
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: _is_probe(scope) or (scope.get("method"), scope.get("path")) in straight,
        },
        middleware=[
            Middleware(Observed, routes=straight),
            Middleware(Edge, production=definition.settings.environment == "production"),
            Middleware(
                RequestLimits,
                body_limit_bytes=definition.body_limit_bytes,
                body_timeout_seconds=definition.body_timeout_seconds,
                request_timeout_seconds=definition.request_timeout_seconds,
            ),
            Middleware(StraightRoutes, routes=straight),
        ],
    )
    app.state.database = definition.database
    app.state.settings = definition.settings
    app.state.verifier = definition.verifier
    app.state.sealer = cache(
        lambda: RecordSealer(
            LocalKeyManagement.open(definition.settings.key_folder, definition.service), service=definition.service
        )
    )
    for name, value in definition.state.items():
        setattr(app.state, name, value)
    add_problem_handlers(app)
    health = health_router(service=definition.service, database=definition.database, probes=definition.probes)
    for router in (health, docs_router(title=definition.title), *definition.routers):
        _take_routes(app, router)
    straight.update(straight_routes(app, definition.straight))
    scopes = demanded_scopes(app)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return describe(generate(), scopes=scopes, issuer=definition.settings.oidc_issuer, examples=definition.examples)

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app


def _take_routes(app: FastAPI, router: APIRouter) -> None:
    """The routes of a router as they are, named by their functions. `include_router` would derive each of them anew for
    prefixes and dependencies that we do not add, which takes longer than all else that makes an app.
    """
    for route in router.routes:
        if isinstance(route, APIRoute):
            route.unique_id = route.name
        app.router.routes.append(route)


def _is_probe(scope: Mapping[str, Any] | Scope) -> bool:
    return scope.get("path", "") in PUBLIC_PATHS


def demanded_scopes(app: FastAPI) -> dict[tuple[str, str], str]:
    """(method, path) → the scope it demands, for every route that is not open. Raises RouteWithoutScopeError."""
    scopes: dict[tuple[str, str], str] = {}
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, context.path or ""
        if path in PUBLIC_PATHS:
            continue
        required = _required_scopes(context) if isinstance(route, APIRoute) else set()
        if len(required) != 1:
            methods = ",".join(sorted(context.methods or ())) if isinstance(route, Route) else ""
            raise RouteWithoutScopeError(f"{methods} {path} must demand exactly one scope, not {sorted(required)}")
        for method in context.methods or ():
            scopes[(method.lower(), context.path_format or path)] = next(iter(required))
    return scopes


def _required_scopes(context: RouteContext) -> set[str]:
    pending: list[Dependant] = [context.dependant]
    found: set[str] = set()
    while pending:
        dependant = pending.pop()
        if isinstance(dependant.call, RequiredScope):
            found.add(dependant.call.name)
        pending += dependant.dependencies
    return found
