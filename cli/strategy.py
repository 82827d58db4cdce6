"""`strategy`: check a strategy, compare two, see what one would have done, have two people sign it."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.approving import Day, Keys, PersonName, print_approval
from cli.attached import Prefix, attached_settings, refusal

if TYPE_CHECKING:
    from services.intake.strategy.release import Strategy, Version
    from services.intake.strategy.simulation import Cell, Tally
    from services.intake.strategy_replay import Labels

strategy_app = typer.Typer(no_args_is_help=True, help="The strategy: check, compare, simulate, approve and show.")
console = Console(soft_wrap=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A strategy (TOML).")]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", exists=True, file_okay=False, help="Folder of a strategy; default: the shipped one."),
]


def _version(file: Path) -> "Version":
    from services.intake.strategy.policy import PolicyError
    from services.intake.strategy.release import Version

    try:
        return Version.read(file.read_bytes())
    except PolicyError as error:
        raise refusal(f"{file}: {error}") from error


def _release(folder: Path | None, *, production: bool) -> "Strategy":
    from services.intake.strategy.policy import PolicyError
    from services.intake.strategy.release import SHIPPED, read_folder, release

    try:
        return release(read_folder(SHIPPED if folder is None else folder), production=production)
    except PolicyError as error:
        raise refusal(str(error)) from error


@strategy_app.command("check")
def check_strategy(file: File) -> None:
    """Read a strategy and say in words what it does; a fault is named with its field, and the exit code is 1."""
    found = _version(file)
    policy = found.policy
    console.print(f"{policy.id} v{policy.version} ({policy.purpose}), SHA-256 {found.sha256}", markup=False)
    console.print(f"the first {policy.self_cure.days} days past due are the customer's")
    for number, step in enumerate(policy.step, start=1):
        instead = "nothing: a person decides" if step.instead is None else step.instead
        console.print(
            f"{number}. {step.action} by {step.channel} from day {step.from_days}, then {step.answer_days} days to "
            f"answer; where the channel is closed: {instead}"
        )
    visit = policy.visit
    least = ", ".join(f"{currency} {minor:,}" for currency, minor in visit.minimum_overdue_minor.items())
    console.print(
        f"then a visit from day {visit.from_days} in {', '.join(visit.buckets)}, from {least} (minor units) overdue, "
        f"{visit.most} at most; legal review from day {policy.review.from_days}"
    )


@strategy_app.command("diff")
def compare_strategies(old: File, new: File) -> None:
    """What differs between two strategies, field by field."""
    before, after = (_flat(_version(file).policy.model_dump(mode="json")) for file in (old, new))
    table = Table("field", old.name, new.name)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            table.add_row(name, str(before.get(name, "-")), str(after.get(name, "-")))
    console.print(table if table.row_count else "They say the same.")


@strategy_app.command("show")
def show_strategy(folder: Folder = None) -> None:
    """Which strategy a folder holds and who approved it; exit code 1 when production would not use it."""
    found = _release(folder, production=True)
    policy = found.champion.policy
    console.print(f"{policy.id} v{policy.version} ({policy.purpose}), SHA-256 {found.champion.sha256}", markup=False)
    if found.challenger is not None and policy.challenger is not None:
        console.print(
            f"tried on {policy.challenger.share_permille / 10:.1f} %: v{found.challenger.policy.version}, SHA-256 "
            f"{found.challenger.sha256}"
        )
    console.print(f"approved by: {', '.join(found.approved_by) or 'nobody'}", markup=False)
    for fault in found.faults:
        console.print(f"counts for nothing: {fault}", markup=False)
    if found.not_used is not None:
        console.print(f"production would not use it, and every case would wait: {found.not_used}", markup=False)
        raise typer.Exit(1)


@strategy_app.command("approve")
def approve_strategy(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="With policy.toml and simulation.json.")],
    person: PersonName,
    keys: Keys,
    on: Day = None,
) -> None:
    """Sign a strategy and its simulation offline; prints the lines for approvals.toml. Two people are needed."""
    from services.intake.strategy.policy import PolicyError
    from services.intake.strategy.release import approve, read_folder

    print_approval(approve, read_folder(folder), person=person, keys=keys, on=on, refused=PolicyError)


@strategy_app.command("simulate")
def simulate_strategy(
    strategy: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The new strategy (TOML).")],
    challenger: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The one that it tries, where it names one.")
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="CSV core,party_ref,ATTRIBUTE,…: labels for evaluation, stored nowhere."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write it there, as simulation.json to be signed with the strategy.")
    ] = None,
    folder: Folder = None,
    prefix: Prefix = None,
) -> None:
    """Replay the past of every case under a new strategy, beside the one in force: volumes, cost, harm, by group.

    Nothing is changed. Ends with 1 when the new strategy would have visited anybody before the softer steps, or under a
    hold for vulnerability, and when there is nobody whose past is known.
    """
    from services.intake.strategy.policy import PolicyError
    from services.intake.strategy.release import CHALLENGER_FILE, POLICY_FILE, release
    from services.intake.strategy.simulation import Tally
    from services.intake.strategy_replay import LabelError, Labels, document

    files = {POLICY_FILE: strategy.read_bytes()}
    if challenger is not None:
        files[CHALLENGER_FILE] = challenger.read_bytes()
    try:
        new = Tally(release(files, production=False))
        labels = None if groups is None else Labels.read(groups)
    except (PolicyError, LabelError) as error:
        raise refusal(str(error)) from error
    present = Tally(_release(folder, production=False))
    first, last = asyncio.run(_simulate(prefix, [new, present], labels))
    if not new.total.people:
        raise refusal("refused: nobody's past is known, so nothing is simulated, and nothing written to be signed")
    found = document(new, present, first=first, last=last)
    if output is not None:
        output.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    _print(new, present)
    _print_live(new, present)
    console.print(f"replayed from {found['from']} to {found['until']}", markup=False)
    for note in found["notes"]:
        console.print(note, markup=False)
    if new.total.visits_before_softer_steps or new.total.visits_under_hold:
        console.print("[bold red]It would have visited people whom no strategy may visit.[/]")
        raise typer.Exit(1)


async def _simulate(prefix: str | None, tallies: "list[Tally]", labels: "Labels | None") -> Any:
    from services.intake.settings import IntakeSettings
    from services.intake.store import strategy_past
    from services.intake.strategy_replay import simulate
    from shared.database import Database

    settings = attached_settings("intake", prefix)
    database = await Database.open(settings, settings.clock(), service="intake")
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("cases"), TimeRemainingColumn())
    try:
        async with database.read_only() as uow:
            total = await strategy_past.count(uow)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("cases", total=total)
            return await simulate(
                database, IntakeSettings(), tallies, labels=labels, on_page=lambda done: progress.advance(task, done)
            )
    finally:
        await database.close()


def _print_live(new: "Tally", present: "Tally") -> None:
    """What each would have chosen where the live choices were made; the one in force must choose what it chose."""
    for name, tally in (("the new strategy", new), ("the one in force", present)):
        live = tally.compared
        became = ", ".join(f"{change} {count:,}" for change, count in sorted(live.became.items()))
        console.print(
            f"of {live.choices:,} live choices {name} makes {live.different:,} otherwise"
            + (f" ({became})" if became else "")
            + f"; of {live.own:,} of its own {live.own_different:,}",
            markup=False,
        )
    if present.compared.own_different:
        console.print(
            "[bold red]The one in force does not choose what it chose: the rules that read strategies have changed.[/]"
        )


def _print(new: "Tally", present: "Tally") -> None:
    table = Table("", "new", "in force", title="What would have happened")
    for name, of_new, of_present in zip(_NAMES, _figures(new.total), _figures(present.total), strict=True):
        table.add_row(name, of_new, of_present)
    currency = new.strategy.champion.policy.cost.currency
    table.add_row(f"cost ({currency}, minor units)", f"{new.total.cost_minor:,}", f"{present.total.cost_minor:,}")
    actions = sorted(new.total.actions.keys() | present.total.actions.keys())
    for action in actions:
        counts = (tally.total.actions.get(action, 0) for tally in (new, present))
        table.add_row(action.replace("_", " "), *(f"{count:,}" for count in counts))
    console.print(table)
    parity = new.relief_parity()
    for attribute, cells in sorted(new.groups.items()):
        labels = sorted(cells)
        by_group = Table("", *map(escape, labels), title=f"Under the new strategy, by {attribute.replace('_', ' ')}")
        figures = [_figures(cells[label]) for label in labels]
        for number, name in enumerate(_NAMES):
            by_group.add_row(name, *(of_label[number] for of_label in figures))
        console.print(by_group)
        console.print(f"relief parity: {parity.get(attribute, '-')}", markup=False)


_NAMES = (
    "people", "contacts", "per person", "most", "visits", "before softer steps", "under a vulnerability hold",
    "visited, known now as vulnerable", "in difficulty", "offered help", "complaints",
)  # fmt: skip


def _figures(cell: "Cell") -> list[str]:
    per_person = cell.contacts / cell.people if cell.people else 0
    return [
        f"{cell.people:,}", f"{cell.contacts:,}", f"{per_person:.2f}", str(cell.most_contacts), f"{cell.visits:,}",
        str(cell.visits_before_softer_steps), str(cell.visits_under_hold), f"{cell.visited_and_vulnerable:,}",
        f"{cell.in_difficulty:,}", f"{cell.in_difficulty_helped:,}", f"{cell.complaints:,}",
    ]  # fmt: skip


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """The leaves of a document by their path; a list of tables by position."""
    if isinstance(value, dict):
        parts = ((f"{name}.{part}".strip("."), one) for part, one in value.items())
        return {key: leaf for path, one in parts for key, leaf in _flat(one, path).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {key: leaf for place, one in enumerate(value, 1) for key, leaf in _flat(one, f"{name}[{place}]").items()}
    return {name: value}
