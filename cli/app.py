"""The command line: `./doorstep COMMAND`. The work lives in other modules, imported when needed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.access import access
from cli.contracts import contracts_app
from cli.cutover import cutover_app
from cli.dead_letters import dead_letters_app
from cli.evidence import evidence_app
from cli.export import export_app
from cli.feeds import feeds_app
from cli.fineract import fineract_app
from cli.log import log_app
from cli.reconcile import reconcile
from cli.rules import rules_app
from cli.scoring import score_app
from cli.strategy import strategy_app
from cli.tapes import tape_app
from cli.tokens import token

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold passwords or personal data
    help="Lawful, safe and humane home-visit collection, on one machine.",
)
app.add_typer(dead_letters_app, name="dlq")
app.add_typer(contracts_app, name="contracts")
app.add_typer(rules_app, name="rules")
app.add_typer(log_app, name="log")
app.add_typer(feeds_app, name="feeds")
app.add_typer(evidence_app, name="evidence")
app.add_typer(score_app, name="score")
app.add_typer(strategy_app, name="strategy")
app.add_typer(tape_app, name="tape")
app.add_typer(cutover_app, name="cutover")
app.add_typer(export_app, name="export")
app.add_typer(fineract_app, name="fineract")
app.command("access")(access)
app.command("reconcile")(reconcile)
app.command("token")(token)
console = Console(stderr=True)

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--doorstep-help"]}


@app.command()
def demo(
    portfolio: Annotated[Path | None, typer.Option(help="CSV of accounts; a seeded portfolio when left out.")] = None,
    parties: Annotated[int, typer.Option(min=300, max=100_000, help="Parties of the seeded portfolio.")] = 3_000,
    days: Annotated[int, typer.Option(min=2, max=10, help="Field days.")] = 2,
    seed: Annotated[int | None, typer.Option(help="Another seed, another portfolio.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the run's data for `serve --prefix`.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for report.html and the exported log.")] = Path("."),
) -> None:
    """Run a portfolio of overdue loans through all five services, and show what became of it."""
    from cli.demo import demo as run
    from simulation.demo import DEFAULT_SEED, DemoOptions
    from simulation.story import Size

    options = DemoOptions(
        folder=output, portfolio=portfolio, parties=parties, size=Size(days=days), seed=seed or DEFAULT_SEED
    )
    raise typer.Exit(run(options, keep=keep))


@app.command(context_settings=PASS_THROUGH)
def test(context: typer.Context) -> None:
    """Run the tests on real servers; further arguments go to pytest (./doorstep test tests/unit -k money)."""
    from cli.checks import run_tests

    raise typer.Exit(run_tests(context.args))


@app.command()
def lint() -> None:
    """Check style, format, types and the rooms' borders; says how to mend what it finds."""
    from cli.checks import run_lint

    raise typer.Exit(run_lint())


@app.command()
def worlds(
    count: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many worlds.")] = 2_000,
    first: Annotated[int, typer.Option(min=0, help="The seed of the first.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Replay this one world and print its story.")] = None,
) -> None:
    """Live through random histories in memory and hold compliance against the law; says the seed of what it finds."""
    from cli.worlds import judge_worlds, tell_story

    raise typer.Exit(judge_worlds(first=first, count=count) if seed is None else tell_story(seed))


@app.command()
def serve(
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running; `down` stops it.")] = False,
    prefix: Annotated[str, typer.Option(help="Serve the run with this name prefix (the demo prints its own).")] = "",
) -> None:
    """Start PostgreSQL, Kafka, the issuer and the five services, and keep them running until Ctrl-C."""
    from cli.serve import serve as run
    from cli.serve import serve_detached

    raise typer.Exit(serve_detached(prefix) if detach else run(prefix))


@app.command()
def down() -> None:
    """Stop what `serve` started."""
    from cli.serve import down as run

    raise typer.Exit(run())


@app.command(context_settings=PASS_THROUGH)
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What is measured, such as permits or tapes.")] = "intake_events",
) -> None:
    """Measure; each figure is a ratio against a floor measured in the same run."""
    from importlib import import_module

    from cli.checks import benchmarks

    known = benchmarks()
    if name == "--help":  # behind a name it is the measurement's own
        typer.echo(f"{context.get_help()}\nNAME is one of {', '.join(known)}; each tells its options: NAME --help.")
        raise typer.Exit
    if name not in known:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(known)}")
    raise typer.Exit(import_module(f"benchmarks.{name}").main(context.args))


def main() -> None:
    """Run the command line. A file that cannot be opened or a server that does not answer is said in one line."""
    try:
        app(prog_name="doorstep")
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        console.print(f"refused: {place}{error.strerror or error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
