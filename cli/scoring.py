"""`score`: train a model, judge it on a bank's history, have two people sign it, look at it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from cli.approving import Day, Keys, PersonName, print_approval
from cli.attached import Prefix, attached_settings, refusal
from cli.progress import StepProgress

if TYPE_CHECKING:
    from services.intake.transitions import Written

score_app = typer.Typer(no_args_is_help=True, help="The score: train, judge, approve and show models.")
console = Console(soft_wrap=True)

Data = Annotated[
    Path,
    typer.Option("--data", exists=True, dir_okay=False, help="UCI_Credit_Card.csv, or a bank's own transitions (CSV)."),
]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", exists=True, file_okay=False, help="Folder of a model; default: the shipped one."),
]


@score_app.command("train")
def train_model(
    data: Data,
    version: Annotated[str, typer.Option(help="Name of the new model.")] = "demonstration-1",
    output: Annotated[Path | None, typer.Option(help="Folder; the shipped model's place when left out.")] = None,
    card: Annotated[Path, typer.Option(help="Where the model card goes.")] = Path("docs/model-card.md"),
    tenant: Annotated[bool, typer.Option("--tenant", help="A bank's own model, not one for demonstration.")] = False,
) -> None:
    """Fit the scorecards and the challenger, judge both on later months and unseen accounts, write model and card.

    The same data give the same bytes.
    """
    from services.intake.scoring.artefact import model_hash
    from services.intake.scoring.shipped import MODEL_FILE, SHIPPED, challenger_file
    from training.fitting import FitError
    from training.model_card import render
    from training.train import train
    from training.transitions import DataError

    try:
        with StepProgress(Console(stderr=True)) as progress:
            trained = train(data, version=version, purpose="tenant" if tenant else "demonstration", on_step=progress)
    except (DataError, FitError) as error:
        raise refusal(str(error)) from error
    folder = SHIPPED if output is None else output
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(trained.content)
    for target, content in trained.challengers.items():
        (folder / challenger_file(target)).write_bytes(content)
    card.write_text(render(trained), encoding="utf-8")
    console.print(f"{folder / MODEL_FILE}: {version}, SHA-256 {model_hash(trained.content)}", markup=False)


@score_app.command("backtest")
def backtest_model(data: Data, folder: Folder = None) -> None:
    """Judge a model on history it was not fitted on; writes backtest.json beside it. Exit code 1: nothing is shown.

    A bank's own history is a CSV `account,month,days_now,days_month_ago,days_two_months_ago,paid_last_permille,
    paid_before_permille,cure,roll,payment`; empty: not known. Of the file that a model was fitted on, only the month
    after those counts.
    """
    from services.intake.scoring.artefact import ArtefactError, decode, model_hash
    from services.intake.scoring.release import BACKTEST_FILE, Backtest
    from services.intake.scoring.shipped import MODEL_FILE, SHIPPED
    from training.evaluation import backtest_gates
    from training.transitions import TEST_MONTH, DataError, read

    place = SHIPPED if folder is None else folder
    try:
        content = (place / MODEL_FILE).read_bytes()
        model, rows = decode(content), read(data)
    except (ArtefactError, DataError, FileNotFoundError) as error:
        raise refusal(str(error)) from error
    if rows.sha256 == model.data_sha256:
        rows = rows.take(rows.month == TEST_MONTH)
        console.print("The model was fitted on this file: only the month after those is judged.")
    found = Backtest(
        model_sha256=model_hash(content), data_sha256=rows.sha256, cases=len(rows), gates=backtest_gates(model, rows)
    )
    (place / BACKTEST_FILE).write_bytes(found.encode())
    table = Table("question", "segment", "cases", "AUC (95 %)", "Brier (base)", "shown")
    for target, gates in found.gates.items():
        for name, gate in gates.items():
            auc = f"{gate.auc:.3f} [{gate.auc_low:.3f}, {gate.auc_high:.3f}]"
            brier = f"{gate.brier:.4f} ({gate.brier_base:.4f})"
            table.add_row(target, name, f"{gate.cases:,}", Text(auc), brier, "yes" if gate.is_open else "no")
    console.print(table)
    console.print(f"written: {place / BACKTEST_FILE}", markup=False)
    if not any(gate.is_open for gates in found.gates.values() for gate in gates.values()):
        raise typer.Exit(1)


@score_app.command("approve")
def approve_model(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="With model.json and backtest.json.")],
    person: PersonName,
    keys: Keys,
    on: Day = None,
) -> None:
    """Sign a model and its back-test offline; prints the lines for approvals.toml. Two different people are needed."""
    from services.intake.scoring.artefact import ArtefactError
    from services.intake.scoring.release import approve, read_folder

    print_approval(approve, read_folder(folder), person=person, keys=keys, on=on, refused=ArtefactError)


@score_app.command("show")
def show_model(folder: Folder = None) -> None:
    """What a model is, who approved it, and where it shows a score; exit code 1 when production would not use it."""
    from services.intake.scoring.artefact import ArtefactError
    from services.intake.scoring.features import SEGMENTS
    from services.intake.scoring.release import read_folder, release
    from services.intake.scoring.shipped import SHIPPED

    try:
        found = release(read_folder(SHIPPED if folder is None else folder), production=True)
    except ArtefactError as error:
        raise refusal(str(error)) from error
    console.print(f"{found.model.version} ({found.model.purpose}), SHA-256 {found.sha256}", markup=False)
    for target, shown in found.shown.items():
        names = [name for name, is_open in zip(SEGMENTS, shown, strict=True) if is_open]
        console.print(f"{target}: shown for {'; '.join(names) or 'no segment'}", markup=False)
    console.print(f"approved by: {', '.join(found.approved_by) or 'nobody'}", markup=False)
    for fault in found.faults:
        console.print(f"counts for nothing: {fault}", markup=False)
    if found.not_used is not None:
        console.print(f"production would not use it: {found.not_used}", markup=False)
        raise typer.Exit(1)


@score_app.command("shadow")
def shadow_scores(prefix: Prefix = None) -> None:
    """Have the challenger score what the scorecards scored, in a process of its own; stored apart, used by nothing."""
    settings = attached_settings("intake", prefix)
    environment = dict(os.environ)
    for name, value in settings.model_dump(mode="json", exclude_defaults=True).items():
        if isinstance(value, str | int | float):
            environment[f"DOORSTEP_{name.upper()}"] = str(value)
    environment["DOORSTEP_DATABASE_URL"] = settings.database_url.get_secret_value()
    command = [sys.executable, "-P", "-m", "services.intake.shadow"]
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@score_app.command("export")
def export_transitions(
    to: Annotated[Path, typer.Option("--to", dir_okay=False, help="CSV to write; replaced when it is whole.")],
    prefix: Prefix = None,
) -> None:
    """Write what became of this bank's late cases a month later, for `score train --tenant` and `score backtest`.

    Told from the facts as they were kept; cases with loans of which no fact was kept are left out and counted. Ends
    with 1 when no case has a month: days are counted from when the core was first heard.
    """
    written = asyncio.run(_export(to, prefix))
    console.print(
        f"{to}: {written.rows:,} rows of {written.cases:,} cases, {written.left_out:,} left out", markup=False
    )
    if not written.rows:
        raise refusal(
            "no case was late 30 days before a closed day on which its core had been heard: nothing to learn from yet"
        )


async def _export(to: Path, prefix: str | None) -> "Written":
    from services.intake.settings import IntakeSettings
    from services.intake.transitions import Written, export
    from shared.database import Database

    settings = attached_settings("intake", prefix)
    database = await Database.open(settings, settings.clock(), service="intake")
    written = Written(0, 0, 0)
    try:
        async with database.read_only() as uow:
            cases = await uow.sql.fetchval("SELECT count(*) FROM case_file WHERE tenant = $1", uow.tenant)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("cases", total=cases)
            async for written in export(database, IntakeSettings(), to):
                progress.update(task, completed=written.cases)
        return written
    finally:
        await database.close()
