"""The caller of a request, and the dependency that demands a scope of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from starlette.requests import Request

from shared.security.scopes import known_scope
from shared.web.problems import NotAllowed, NotAuthenticated


@dataclass(frozen=True)
class Caller:
    """Who calls, as the issuer's token says.

    `subject` is a person or a service, `client_id` the software that acts; `attributes` holds facts about the subject
    that the issuer vouches for (for instance `collector_id` or `party_id`), never what the request claims.
    """

    subject: str
    tenant: str
    scopes: frozenset[str]
    client_id: str
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def identity(self) -> str:
        """Subject and client together: whose Idempotency-Keys these are."""
        return f"{self.subject}@{self.client_id}"

    def attribute(self, name: str) -> str:
        """An attribute that the route cannot do without. Raises NotAllowed when the token lacks it."""
        value = self.attributes.get(name)
        if value is None:
            raise NotAllowed(f"the token lacks the attribute {name}")
        return value


class RequiredScope:
    """Callable dependency: authenticates the request and demands one scope. The app refuses to start with a route
    without one.
    """

    def __init__(self, name: str) -> None:
        self.name = known_scope(name)

    async def __call__(self, request: Request) -> Caller:
        """The authenticated caller. Raises NotAuthenticated (401) or NotAllowed (403)."""
        token = _bearer_token(request)
        caller = cast(Caller, await request.app.state.verifier.verify(token))
        if self.name not in caller.scopes:
            raise NotAllowed(
                f"needs the scope {self.name}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.name}"'},
            )
        request.state.caller = caller
        return caller


def scope(name: str) -> RequiredScope:
    """`Depends(scope("visits.check-in"))`. Raises ValueError, at import, for a scope that the catalogue does not
    hold.
    """
    return RequiredScope(name)


def caller_of(request: Request) -> Caller:
    """The caller that the route's scope authenticated. Raises NotAuthenticated when the route demanded none."""
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        raise NotAuthenticated()
    return caller


def _bearer_token(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("send an access token as Authorization: Bearer")
    return token.strip()
