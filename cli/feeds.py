"""`feeds`: what an operator does to the key with which visits signs the daily totals of its sources."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

feeds_app = typer.Typer(no_args_is_help=True, help="Visits' own sources: another key for their totals.")
console = Console(soft_wrap=True)

_DECLARED = (
    "Declare each source with its new key at compliance (POST /v1/feeds), then restart all processes of visits "
    "together. Totals that are signed otherwise than declared are not heard; visits tells them again every hour, so "
    "none is lost."
)


@feeds_app.command("rotate-key")
def rotate_key(
    keys: Annotated[Path, typer.Option(exists=True, file_okay=False, help="DOORSTEP_KEY_FOLDER of visits.")],
) -> None:
    """Make a new key for the daily totals. Visits signs with it from its next start; older totals keep their key.

    The leaf of each declaration says from when on which key counts, and the leaf of each day which key signed it.
    """
    from services.visits.domain.traces import SOURCES, TOTAL_KEY
    from shared.security.note_keys import NoteKey
    from shared.security.signing import SigningKey

    if not (keys / f"{TOTAL_KEY}.signing.json").exists():
        console.print(f"refused: {keys} holds no key of visits' totals", markup=False)
        raise typer.Exit(1)
    key = SigningKey.open(keys, TOTAL_KEY)
    before = key.public_bytes
    key.rotate()
    for source in SOURCES:
        for name, public in (("old", before), ("new", key.public_bytes)):
            console.print(f"{source} {name} key {NoteKey(source, public).vkey}", markup=False)
    console.print(_DECLARED, markup=False)
