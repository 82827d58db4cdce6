"""`contracts`: the generated documents of events and of the HTTP APIs."""

import typer
from rich.console import Console

from shared.embedded.home import PROJECT_FOLDER

contracts_app = typer.Typer(
    no_args_is_help=True,
    help="Contracts: JSON Schemas, AsyncAPI and catalogue of events; OpenAPI of services.",
)
console = Console(soft_wrap=True)
FOLDER = PROJECT_FOLDER / "contracts"
PAGE = PROJECT_FOLDER / "docs" / "events.md"
OPENAPI = FOLDER / "openapi"


@contracts_app.command()
def export() -> None:
    """Write the contracts from the models and routes; refuses a breaking change without a new version."""
    from cli import api_documents
    from shared.events.contracts import export as write

    try:
        events = write(FOLDER, page=PAGE)
        apis = api_documents.export(OPENAPI)
    except ValueError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    console.print(f"{events} event types and {apis} APIs written to contracts/ and docs/events.md")


@contracts_app.command()
def check() -> None:
    """Compare the committed contracts with the code: breaking changes, files that were not exported anew, and what the
    APIs' documents leave unsaid.
    """
    from cli import api_documents
    from shared.events.contracts import breaking_changes, stale_files

    apis = api_documents.documents()
    breaks = breaking_changes(FOLDER) + api_documents.breaks_of(apis, OPENAPI)
    stale = stale_files(FOLDER, page=PAGE) + api_documents.stale_files(apis, OPENAPI)
    incomplete = api_documents.gaps_of(apis)
    for line in incomplete:
        console.print(f"missing: {line}", markup=False)
    for line in breaks:
        console.print(f"breaks: {line}", markup=False)
    for name in stale:
        console.print(f"stale: {name} (./doorstep contracts export)", markup=False)
    if breaks or stale or incomplete:
        raise typer.Exit(1)
    console.print("Contracts are complete, compatible and up to date.")


@contracts_app.command()
def release() -> None:
    """Write what the next release is held against: each service's schema, and a permit with its keys."""
    from cli.release import write_release

    for file in write_release():
        console.print(f"{file.relative_to(PROJECT_FOLDER)}: written", markup=False)
