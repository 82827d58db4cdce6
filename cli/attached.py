"""Settings of a service for commands that work beside it, as its own database role."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from shared.settings import ServiceSettings


def attached_settings(service: str, prefix: str | None) -> "ServiceSettings":
    """From the environment where the service itself runs (a container), else from the platform on this machine."""
    from cli.platform import Platform
    from cli.serve import running_serve
    from shared.embedded.home import EmbeddedServerError, Home
    from shared.settings import ServiceSettings

    if os.environ.get("DOORSTEP_KAFKA_USERNAME") == service:
        return ServiceSettings()
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


def refusal(message: str) -> typer.Exit:
    """Say why on standard error; to be raised."""
    Console(stderr=True).print(message, markup=False, highlight=False)
    return typer.Exit(1)
