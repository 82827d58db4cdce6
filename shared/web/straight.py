"""Routes that are asked more often than all others: one body in, one answer out, and nothing between.

The framework solves dependencies, opens stacks for files and looks through all routes for each request; a route that
takes the request and one model needs none of it. What is not well formed goes the framework's way as before and is
refused in its words; the documented API is the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.security.callers import RequiredScope
from shared.web.limits import Replay
from shared.web.problem_responses import problem_response
from shared.web.problems import Problem

_JSON: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})

Endpoint = Callable[..., Awaitable[Response | BaseModel]]
Place = tuple[str, str]


@dataclass(frozen=True)
class Straight:
    """One such route: who may ask, what is read, and what answers."""

    scope: RequiredScope
    body: TypeAdapter[Any]
    endpoint: Endpoint

    @classmethod
    def of(cls, route: APIRoute) -> Straight:
        """Raises TypeError when the route takes anything but `request` and `body`, or demands more than one scope."""
        scopes = [one.call for one in route.dependant.dependencies if isinstance(one.call, RequiredScope)]
        if list(inspect.signature(route.endpoint).parameters) != ["request", "body"]:
            raise TypeError(f"{route.name} takes more than the request and one body")
        if len(scopes) != 1 or len(route.dependant.dependencies) != 1 or (route.status_code or 200) != 200:
            raise TypeError(f"{route.name} does more than demand one scope and answer 200")
        return cls(scopes[0], TypeAdapter(get_type_hints(route.endpoint)["body"]), route.endpoint)


def straight_routes(app: FastAPI, endpoints: Collection[Endpoint]) -> dict[Place, Straight]:
    """The routes that these functions answer, by method and path. Raises TypeError, as `Straight.of`."""
    return {
        (method, route.path): Straight.of(route)
        for route in app.routes
        if isinstance(route, APIRoute) and route.endpoint in endpoints
        for method in sorted(route.methods or ())
    }


class StraightRoutes:
    """ASGI middleware, inside of `RequestLimits`, which hands on bodies whole."""

    def __init__(self, app: ASGIApp, *, routes: Mapping[Place, Straight]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the routes; pass on all else, and bodies that do not fit."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None or not any(name == b"content-type" and kind in _JSON for name, kind in scope["headers"]):
            await self._app(scope, receive, send)
            return
        content: bytes = (await receive())["body"]
        try:
            body = route.body.validate_json(content)
        except ValidationError:
            await self._app(scope, Replay(content, receive), send)
            return
        request = Request(scope, Replay(content, receive))
        try:
            await route.scope(request)
            answer = await route.endpoint(request, body)
        except Problem as problem:
            answer = problem_response(problem)
        if not isinstance(answer, Response):
            answer = Response(answer.model_dump_json(by_alias=True), media_type="application/json")
        await answer(scope, receive, send)
