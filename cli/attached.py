"""What runs on this machine, for commands that work beside it: settings of a service, addresses, clients."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

DatabaseUrl = Annotated[
    str | None, typer.Option(help="postgresql:// address; that of the run when left out.")
]  # fmt: skip
KeyFolder = Annotated[Path | None, typer.Option(help="Compliance's key folder; that of the run when left out.")]
Prefix = Annotated[str | None, typer.Option(help="Name prefix of the run; that of the running `serve` when left out.")]
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First date (UTC), business time.")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date (UTC) before which to stop.")]

if TYPE_CHECKING:
    from shared.security.clients import DevelopmentClient
    from shared.settings import ServiceSettings


def attached_settings(service: str, prefix: str | None) -> "ServiceSettings":
    """From the environment where the service itself runs (a container), else from the platform on this machine."""
    from shared.settings import ServiceSettings

    if os.environ.get("DOORSTEP_KAFKA_USERNAME") == service:
        return ServiceSettings()
    from cli.platform import Platform
    from cli.running import running_serve
    from shared.embedded.home import EmbeddedServerError, Home

    running = running_serve(Home()) or {}
    if prefix is None:
        prefix = running.get("prefix", "")
    platform = Platform(prefix=prefix)
    if running.get("prefix") == prefix:
        addresses: dict[str, str] = running["addresses"]
        platform.ports |= {name: int(address.rpartition(":")[2]) for name, address in addresses.items()}
    try:
        platform.attach()
    except (EmbeddedServerError, FileNotFoundError) as error:
        raise refusal(f"No platform runs here with the prefix {prefix!r}: {error}") from error
    return platform.settings(service)


def compliance_settings(database: str | None, keys: Path | None, prefix: str | None) -> "ServiceSettings":
    """Compliance's settings for a command that reads its database; what is named goes before what runs here."""
    from pydantic import SecretStr

    from shared.settings import ServiceSettings

    if database is not None and keys is not None:
        return ServiceSettings.model_validate(
            {"database_url": database, "kafka_bootstrap": "-", "kafka_username": "-", "key_folder": keys}
        )
    settings = attached_settings("compliance", prefix)
    changes: dict[str, object] = {} if keys is None else {"key_folder": keys}
    return settings.model_copy(update=changes | ({} if database is None else {"database_url": SecretStr(database)}))


def running_platform(otherwise: str = "./doorstep serve --detach starts it") -> dict[str, Any]:
    """The state of the `serve` of this folder: its prefix and addresses. Raises typer.Exit; `otherwise`: what to do."""
    from cli.running import running_serve
    from shared.embedded.home import Home

    state = running_serve(Home())
    if state is None:
        raise refusal(f"refused: no `serve` runs here; {otherwise}")
    return state


def development_client(state: Mapping[str, Any], name: str) -> "DevelopmentClient":
    """A client of a running platform's issuer."""
    from cli.platform import Platform
    from shared.security.clients import read_clients

    return read_clients(Platform(prefix=state["prefix"]).folder / "oidc-clients.json")[name]


def refusal(message: str) -> typer.Exit:
    """Say why on standard error; to be raised."""
    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


def problem_in_words(document: Mapping[str, Any]) -> str:
    """What a problem document (RFC 9457) says: its title, its detail, and each refused field with the reason."""
    said = [str(document[name]) for name in ("title", "detail") if document.get(name)]
    fields = [f"{one['pointer'].strip('/') or one['in']} {one['detail']}" for one in document.get("errors", ())]
    return ": ".join(said) + "".join(f"\n  {field}" for field in fields)


def printable(text: str) -> str:
    """The text of a file of others: nothing in it reaches the terminal as a control sequence."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
