"""`log`: what an operator does to the audit log by hand. Runbooks say when."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

log_app = typer.Typer(no_args_is_help=True, help="The audit log: a missing head, another key.")
console = Console(soft_wrap=True)

Folder = Annotated[Path, typer.Option(help="DOORSTEP_LOG_FOLDER of the workers (the key folder when that is empty).")]
Keys = Annotated[Path, typer.Option(exists=True, file_okay=False, help="DOORSTEP_KEY_FOLDER of compliance.")]


@log_app.command("restore-head")
def restore_head(
    note: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The newest signed note known outside.")],
    folder: Folder,
    keys: Keys,
    database: Annotated[str, typer.Option(help="postgresql:// address of compliance's database.")],
    tenant: Annotated[str, typer.Option(help="Tenant of the log.")] = "bank",
    generation: Annotated[int, typer.Option(min=1, help="Number of the log's origin.")] = 1,
) -> None:
    """Bring back the newest signed head after its file was lost; only when the tree in the database extends it."""
    from services.compliance.log.head import ForkRefused, SignedHead
    from services.compliance.log.note import NoteError, NoteKey
    from services.compliance.log.origin import origin_of
    from services.compliance.log.restoring import HeadPresent
    from services.compliance.log.restoring import restore_head as restore
    from shared.clock import SystemClock
    from shared.database import Database
    from shared.security.signing import SigningKey
    from shared.settings import ServiceSettings

    settings = ServiceSettings.model_validate(
        {"database_url": database, "kafka_bootstrap": "-", "kafka_username": "-", "tenant": tenant}
    )
    origin = origin_of(tenant, generation)
    known = [NoteKey(origin, version.public_bytes) for version in SigningKey.open(keys, "checkpoint").versions]
    head = SignedHead.of(folder, generation, known[0], older_keys=known[1:])

    async def run() -> str:
        opened = await Database.open(settings, SystemClock(), service="compliance")
        try:
            found = await restore(opened, head, note.read_text(encoding="utf-8"), keys=known)
        finally:
            await opened.close()
        return f"{head.path}: head of {found.size} leaves; start the workers of compliance"

    try:
        console.print(asyncio.run(run()), markup=False)
    except (NoteError, ForkRefused, HeadPresent) as error:
        console.print(f"refused: {error}", markup=False)
        raise typer.Exit(1) from error


@log_app.command("rotate-key")
def rotate_key(
    keys: Keys,
    tenant: Annotated[str, typer.Option(help="Tenant of the log.")] = "bank",
    generation: Annotated[int, typer.Option(min=1, help="Number of the log's origin.")] = 1,
) -> None:
    """Make a new key for the log. The next worker to start lets the old one name it in a leaf, then signs with it.

    Give the new key text to the witnesses before that start, and publish its fingerprint.
    """
    from services.compliance.log.note import NoteKey
    from services.compliance.log.origin import origin_of
    from shared.security.signing import SigningKey

    if not (keys / "checkpoint.signing.json").exists():
        console.print(f"refused: {keys} holds no key of a log", markup=False)
        raise typer.Exit(1)
    key = SigningKey.open(keys, "checkpoint")
    origin = origin_of(tenant, generation)
    old = NoteKey(origin, key.public_bytes)
    key.rotate()
    new = NoteKey(origin, key.public_bytes)
    for name, one in (("old", old), ("new", new)):
        console.print(f"{name} key {one.vkey}\n    fingerprint {one.fingerprint}", markup=False)
    console.print("Restart all processes of compliance together; those with the old key sign nothing more.")
