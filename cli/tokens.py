"""`token`: an access token of the development issuer, for whoever explores what `serve` has left running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cli.attached import development_client, refusal, running_platform

if TYPE_CHECKING:
    from shared.security.clients import DevelopmentClient

# Plays every person of the demo, so it has every scope.
EXPLORER = "demo-driver"


def token(
    client: Annotated[str, typer.Option("--as", help="Client whose rights it has, such as auditor.")] = EXPLORER,
    scope: Annotated[list[str] | None, typer.Option(help="Only this scope (again for more).")] = None,
    subject: Annotated[str | None, typer.Option(help=f"Person for whom it speaks ({EXPLORER} only).")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(help=f"What the provider says of the person: party_id=UUID ({EXPLORER} only)."),
    ] = None,
    scopes: Annotated[bool, typer.Option("--scopes", help="Say what each scope of the client allows instead.")] = False,
) -> None:
    """Print an access token for the services that `serve` runs here, good for 15 minutes.

    curl -H "Authorization: Bearer $(./doorstep token)" http://127.0.0.1:8101/v1/cases
    """
    from shared.security.clients import ACTS_FOR_OTHERS
    from shared.security.scopes import CLIENTS, SCOPES

    if client not in CLIENTS:
        raise typer.BadParameter(f"{client!r} is none of {', '.join(sorted(CLIENTS))}")
    if scopes:
        for one in sorted(SCOPES.values(), key=lambda one: one.name):
            if client in one.clients:
                Console().print(f"{one.name}: {one.allows}", markup=False, highlight=False, soft_wrap=True)
        return
    if (subject or attribute) and client not in ACTS_FOR_OTHERS:
        raise typer.BadParameter(f"{client} speaks for itself only")
    state = running_platform()
    form = {"grant_type": "client_credentials", "audience": "doorstep", "scope": " ".join(scope or [])}
    if subject or attribute:
        form |= {"attributes": json.dumps(_pairs(attribute or []))} | ({"subject": subject} if subject else {})
    print(_ask(state["addresses"]["issuer"], development_client(state, client), form))


def _pairs(attributes: list[str]) -> dict[str, str]:
    """NAME=VALUE, as a mapping. Raises typer.BadParameter."""
    if wrong := [one for one in attributes if "=" not in one]:
        raise typer.BadParameter(f"{wrong[0]!r} is not NAME=VALUE")
    return dict(one.split("=", 1) for one in attributes)


def _ask(issuer: str, client: DevelopmentClient, form: dict[str, str]) -> str:
    import httpx

    answer = httpx.post(f"{issuer}/token", data=form, auth=(client.client_id, client.client_secret), timeout=10)
    content: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.OK:
        raise refusal(f"refused: {content.get('error', answer.status_code)}")
    return str(content["access_token"])
