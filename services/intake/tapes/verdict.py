"""Whether a tape may have any effect: judged before the first row. Every reason not to is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.intake.tapes.agreement import Agreement
from services.intake.tapes.manifest import Manifest
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.survey import Survey


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a file is refused: a closed code, and the numbers in words."""

    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Before:
    """The file of the feed that was loaded last."""

    business_date: date
    sequence: int
    sha256: str
    rows: int
    overdue_rows: int
    sums: dict[str, tuple[Decimal, Decimal]]


def on_manifest(
    manifest: Manifest, contract: Agreement, before: Before | None, latest: date
) -> list[Objection]:  # fmt: skip
    """What the manifest alone shows. `latest`: the last business date that the core can have reached."""
    return list(_on_manifest(manifest, contract, before, latest))


def _on_manifest(
    manifest: Manifest, contract: Agreement, before: Before | None, latest: date
) -> Iterator[Objection]:  # fmt: skip
    if manifest.feed != contract.feed:
        yield Objection("foreign_feed", f"the manifest is of feed {manifest.feed}, the contract of {contract.feed}")
    if manifest.business_date > latest:
        yield Objection("future_business_date", f"{manifest.business_date} lies after {latest}")
    vanishing = contract.order == "row" and contract.cures_the_vanished
    if manifest.core_sequence is None and (contract.order == "manifest" or vanishing):
        yield Objection("no_position", "the contract needs the manifest's core_sequence, which is missing")
    told, what = (
        (manifest.counts, "counts of filled places")
        if _is_of_people(contract)
        else (manifest.totals, "sums per currency")
    )
    if contract.checks.totals == "required" and not told and manifest.rows and manifest.repairs is None:
        yield Objection("no_totals", f"the contract demands {what}")
    if before is None or manifest.repairs is not None:
        return
    if manifest.sequence != before.sequence + 1:
        yield Objection("gap", f"file {manifest.sequence} came after {before.sequence}; {before.sequence + 1} is next")
    if manifest.predecessor is not None and manifest.predecessor != before.sha256:
        yield Objection("other_predecessor", "the manifest names another file before it than the one that was loaded")
    if manifest.business_date < before.business_date:
        yield Objection("older_business_date", f"{manifest.business_date} lies before {before.business_date}")


def on_content(
    manifest: Manifest, contract: Agreement, found: Survey, before: Before | None, vanished: int
) -> list[Objection]:
    """What the content shows; a repair is compared with no file before.

    `vanished`: loans that were overdue by the file before and are not in this one.
    """
    return list(_on_content(manifest, contract, found, before, vanished))


def _on_content(
    manifest: Manifest, contract: Agreement, found: Survey, before: Before | None, vanished: int
) -> Iterator[Objection]:
    if found.sha256 != manifest.sha256:
        yield Objection("other_content", f"SHA-256 is {found.sha256}, the manifest says {manifest.sha256}")
    if found.rows != manifest.rows:
        yield Objection("rows_differ", f"{found.rows} rows, the manifest says {manifest.rows}: truncated or padded")
    yield from (_counts(manifest, found) if _is_of_people(contract) else _totals(manifest, found))
    refused = found.refused_rows + len(found.repeated)
    if refused * 1_000 > contract.checks.most_refused_per_mille * found.rows:
        worst = ", ".join(f"{one.field} {one.reason} ({count})" for one, count in found.refused.most_common(5))
        yield Objection(
            "too_many_refused", f"{refused} of {found.rows} rows cannot be taken: {worst or 'repeated loans'}"
        )
    if before is not None and contract.change == "full":
        yield from _drops(contract, found, before, vanished)


def _totals(manifest: Manifest, found: Survey) -> Iterator[Objection]:
    if not manifest.totals:
        return
    told = {total.currency: total for total in manifest.totals}
    unread = f"; the amounts of {found.uncounted_rows} rows cannot be read" if found.uncounted_rows else ""
    for currency in sorted(told.keys() | found.sums.keys()):
        balance, overdue = found.sums.get(currency, (Decimal(), Decimal()))
        total = told.get(currency)
        if total is None:
            yield Objection("totals_differ", f"{currency} is not among the manifest's totals")
            continue
        if Decimal(total.balance) != balance:
            yield Objection("totals_differ", f"{currency} balance {balance}, the manifest says {total.balance}{unread}")
        if total.overdue is not None and Decimal(total.overdue) != overdue:
            yield Objection("totals_differ", f"{currency} overdue {overdue}, the manifest says {total.overdue}{unread}")


def _counts(manifest: Manifest, found: Survey) -> Iterator[Objection]:
    if not manifest.counts:
        return
    for slot in sorted(manifest.counts.keys() | found.sums.keys()):
        filled = int(found.sums.get(slot, (Decimal(), Decimal()))[0])
        said = manifest.counts.get(slot)
        if said is None:
            yield Objection("totals_differ", f"{slot} is not among the manifest's counts")
        elif said != filled:
            yield Objection("totals_differ", f"{slot} is filled in {filled} rows, the manifest says {said}")


def _is_of_people(contract: Agreement) -> bool:
    return isinstance(contract, PeopleContract)


def _drops(contract: Agreement, found: Survey, before: Before, vanished: int) -> Iterator[Objection]:
    compared: list[tuple[str, Decimal, Decimal]] = [
        ("rows", Decimal(before.rows), Decimal(found.rows)),
        ("overdue loans", Decimal(before.overdue_rows), Decimal(found.overdue_rows)),
        ("overdue loans still named", Decimal(before.overdue_rows), Decimal(before.overdue_rows - vanished)),
    ]
    for name, (first, second) in sorted(before.sums.items()):
        now = found.sums.get(name, (Decimal(), Decimal()))
        if _is_of_people(contract):
            compared.append((f"rows with {name}", first, now[0]))
            continue
        compared += [(f"{name} balance", first, now[0]), (f"{name} overdue", second, now[1])]
    most = contract.checks.most_drop_percent
    for name, earlier, now_found in compared:
        if (earlier - now_found) * 100 > earlier * most:
            yield Objection("implausible_drop", f"{name} fell from {earlier} to {now_found}, more than {most} %")


def in_words(objections: Sequence[Objection]) -> tuple[str, ...]:
    """As they are kept."""
    return tuple(map(str, objections))
