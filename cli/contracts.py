"""`contracts`: the generated documents of events."""

import typer
from rich.console import Console

from shared.embedded.home import PROJECT_FOLDER

contracts_app = typer.Typer(no_args_is_help=True, help="Event contracts: JSON Schemas, AsyncAPI, catalogue page.")
console = Console()
FOLDER = PROJECT_FOLDER / "contracts"
PAGE = PROJECT_FOLDER / "docs" / "events.md"


@contracts_app.command()
def export() -> None:
    """Write the contracts from the models; refuses a breaking change without a new version."""
    from shared.events.contracts import export as write

    try:
        count = write(FOLDER, page=PAGE)
    except ValueError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    console.print(f"{count} event types written to contracts/ and docs/events.md")


@contracts_app.command()
def check() -> None:
    """Compare the committed contracts with the models: breaking changes, and files that were not exported anew."""
    from shared.events.contracts import breaking_changes, stale_files

    breaks, stale = breaking_changes(FOLDER), stale_files(FOLDER, page=PAGE)
    for line in breaks:
        console.print(f"breaks: {line}", markup=False)
    for name in stale:
        console.print(f"stale: {name} (./doorstep contracts export)", markup=False)
    if breaks or stale:
        raise typer.Exit(1)
    console.print("Contracts are compatible and up to date.")
