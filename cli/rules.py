"""`rules`: check a pack, approve it, say what a new version changes, list what binds."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.approving import approve_packs, approver_key, released, vouch
from cli.lookback import lookback
from cli.replay import replay
from shared.embedded.home import PROJECT_FOLDER

rules_app = typer.Typer(no_args_is_help=True, help="Rule packs: what the law and the bank say.")
rules_app.command("lookback")(lookback)
rules_app.command("replay")(replay)
rules_app.command("approver-key")(approver_key)
rules_app.command("vouch")(vouch)
rules_app.command("approve")(approve_packs)
rules_app.command("released")(released)
console = Console(soft_wrap=True)
WIDTH = 130
GOLDEN = PROJECT_FOLDER / "tests" / "unit" / "compliance" / "golden"
Packs = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Pack files (TOML).")]
OnePack = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A pack file (TOML).")]


@rules_app.command()
def check(files: Packs) -> None:
    """Load the files together with the shipped packs they do not replace; prints what two people approve, and of which
    places and sorts of records nothing would ever be erased, because no rule says how long they are kept.

    Exit code 1 when they cannot be loaded, with file, rule and reason.
    """
    from services.compliance.domain.keeping import kept_for_ever
    from services.compliance.domain.packs import PackError, pack_hash
    from services.compliance.rule_book import packs_of, read_packs, with_versions

    try:
        book = read_packs(with_versions(packs_of(None), {str(file): file.read_bytes() for file in files}))
    except PackError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    for file in files:
        console.print(f"{file}: fit to load, sha256 {pack_hash(file.read_bytes())}", markup=False, soft_wrap=True)
    for place, sort in kept_for_ever(book, today=datetime.now(UTC).date()):
        console.print(f"{place}: no rule says how long {sort} records are kept: they are never erased", soft_wrap=True)
    console.print(f"{len(book.packs)} packs, rule set {book.rule_set}", soft_wrap=True)


@rules_app.command()
def diff(old: OnePack, new: OnePack) -> None:
    """Say in words what the new version of a pack changes."""
    from services.compliance.domain.differences import differences
    from services.compliance.domain.packs import PackError
    from services.compliance.rule_book import pack_id, packs_of, read_packs, with_versions

    try:
        first, second = (
            read_packs(with_versions(packs_of(None), {str(file): file.read_bytes()})) for file in (old, new)
        )
    except PackError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    ids = pack_id(old.read_bytes()), pack_id(new.read_bytes())
    before = next(pack for pack in first.packs if pack.id == ids[0])
    after = next(pack for pack in second.packs if pack.id == ids[1])
    for line in differences(before, after) or ["Nothing that is judged changes."]:
        console.print(line, markup=False, soft_wrap=True)


@rules_app.command("list")
def list_rules(
    place: Annotated[str, typer.Option(help="Only what holds in this place, such as CN or US-MA.")] = "",
) -> None:
    """Every rule of every version of each pack: clause, status, confidence, action, how many golden rows test it."""
    from services.compliance.rule_book import rule_book

    rows = golden_rows()
    table = Table("rule", "pack", "clause", "status", "confidence", "action", "from", "golden rows")
    for pack in rule_book().packs:
        for rule in pack.rule if not place or pack.holds_in(place) else ():
            confidence = rule.confidence or "-"
            count = str(rows.get(rule.id, 0))
            table.add_row(
                rule.id, f"{pack.id}/{pack.version}", rule.catalogue_clause, rule.status, confidence, rule.action,
                str(rule.effective_from), count,
            )  # fmt: skip
    Console(width=max(console.width, WIDTH)).print(table)  # ids stay whole in pipes and on narrow terminals


def golden_rows() -> dict[str, int]:
    """How many rows of the golden tables name each rule; none where the tests are not installed."""
    counts: dict[str, int] = {}
    for file in sorted(GOLDEN.glob("*.md")):
        for line in file.read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| ") and cells[0] not in ("Rule", "") and not cells[0].startswith("-"):
                counts[cells[0]] = counts.get(cells[0], 0) + 1
    return counts
