"""The dry run: all is read, counted, added up and checked by the service that would import it; nothing is written.

Its report is what two people sign together with the manifest. A person whose past contacts cannot all be read is named
in it, and stays refused.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import UUID

import numpy as np

from services.intake.cutover.manifest import KINDS, CutoverManifest, FileKind
from services.intake.cutover.reading import Group, Reader
from services.intake.cutover.rows import (
    Payload,
    PlansOfPeople,
    Rejection,
    Row,
    RowError,
    hold_of_plan,
    plan_of,
    read_rows,
    record_of,
    schedule_of,
    step_of,
)
from services.intake.cutover.services import Result, Services
from services.intake.tapes.approvals import Released
from services.intake.tapes.manifest import Manifest, minor_units
from services.intake.tapes.survey import Tell, content_hash, survey, unheard
from services.intake.tapes.verdict import in_words, on_content, on_manifest
from shared.cells import safe_cell
from shared.money import EXPONENTS

COMPLIANCE_KIND: Final = {
    "holds": "hold", "complaints": "complaint", "contacts": "contact", "third_persons": "third_person",
}  # fmt: skip
_NO_HOLD: Final = UUID(int=0)


@dataclass
class Counted:
    """What one file holds."""

    rows: int = 0
    good: int = 0
    rests: Counter[str] = field(default_factory=Counter)
    references: list[int] = field(default_factory=list)

    @property
    def repeated(self) -> int:
        """References that stand there more than once."""
        return len(self.references) - len(np.unique(np.array(self.references, np.int64)))


@dataclass
class DryRun:
    """One dry run. Rejected rows are written to `rejections` as they are found."""

    folder: Path
    manifest: CutoverManifest
    manifest_sha256: str
    services: Services
    released: Released
    tape: Manifest
    rejections: TextIO
    tell: Tell = unheard
    objections: list[str] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)
    one_person: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lines = csv.writer(self.rejections)
        self._lines.writerow(Rejection._fields)
        self._planned = PlansOfPeople()
        self._reader = Reader(self.folder, self.manifest, self.services, reserve=False)

    async def report(self) -> dict[str, Any]:
        """The report. Raises CutoverError, UnreadableTapeError, RemoteUnavailable."""
        self._check_content()
        loans = self._loans()
        files = {kind: await self._file(kind) for kind in KINDS}
        self._check_people()
        await self._check_history()
        self._check_counts(files)
        expected = {ours: files[kind].good for kind, ours in COMPLIANCE_KIND.items()}  # type: ignore[index]
        # A plan's hold must stand before the plan runs on.
        expected["hold"] += files["plans"].good
        return {
            "cutover_id": self.manifest.cutover_id,
            "manifest_sha256": self.manifest_sha256,
            "ready": not self.objections,
            "objections": self.objections,
            "loans": loans,
            "files": {
                kind: {"rows": one.rows, "good": one.good, "rests_minor": dict(sorted(one.rests.items()))}
                for kind, one in files.items()
            },
            "expected": expected,
            "history_incomplete": sorted(self.incomplete),
            "one_person": dict(sorted(self.one_person.items())),
        }

    def _check_content(self) -> None:
        named = [(self.manifest.loans.file, self.manifest.loans.sha256)]
        named += [(one.file, one.sha256) for one in self.manifest.file]
        for name, sha256 in named:
            path = self.folder / name
            if not path.is_file():
                self.objections.append(f"{name}: is not there")
            elif content_hash(path) != sha256:
                self.objections.append(f"{name}: is not the file that the manifest names (SHA-256)")

    def _loans(self) -> dict[str, Any]:
        """The tape as its own contract judges it, as a first file of its feed."""
        contract, tape = self.released.contract, self.tape
        if contract.core != self.manifest.core:
            self.objections.append(f"the tape is of core {contract.core}, the cut-over of {self.manifest.core}")
        if not self.released.is_released:
            self.objections.append("two people must approve the tape's contract")
        found = survey(
            self.folder / self.manifest.loans.file, contract, self.manifest.business_date, self.tell,
            expected=self.manifest.loans.rows,
        )  # fmt: skip
        told = on_manifest(tape, contract, None, self.manifest.business_date)
        told += on_content(tape, contract, found, None, 0)
        self.objections += [f"{self.manifest.loans.file}: {one}" for one in in_words(told)]
        if (tape.business_date, tape.rows) != (self.manifest.business_date, self.manifest.loans.rows):
            self.objections.append(f"{self.manifest.loans.file}: its own manifest says another date or number of rows")
        if not tape.totals:
            self.objections.append(f"{self.manifest.loans.file}: its manifest has no control totals")
        return {
            "rows": found.rows,
            "overdue": found.overdue_rows,
            "refused": found.refused_rows,
            "totals": [[code, str(one), str(two)] for code, (one, two) in sorted(found.sums.items())],
        }

    async def _file(self, kind: FileKind) -> Counted:
        counted = Counted()
        checking = {"people": self._people, "steps": self._steps, "plans": self._plans}.get(kind, self._records)
        async for group in self._reader.groups(kind):
            rejected = list(group.rejected)
            self.one_person.update(group.ids.one_person)
            async for row, refused in checking(kind, group):
                if refused is None:
                    counted.good += 1
                    counted.references.append(hash(row.values.get("record_ref") or row.party_ref))
                    for _, rest in schedule_of(row) if kind == "plans" else ():
                        counted.rests[rest.currency] += rest.amount_minor
                else:
                    rejected.append(refused)
            self._reject(rejected)
            counted.rows = group.read
            self.tell(f"Checking {kind}", counted.rows, max(self.manifest.of_kind(kind).rows, counted.rows))
        return counted

    async def _people(self, kind: FileKind, group: Group) -> AsyncIterator[tuple[Row, Rejection | None]]:
        for row in group.rows:
            said = row.values["history"]
            fault = None if said in ("complete", "missing") else _rejection(kind, row, "history", "is not known")
            yield row, fault

    async def _steps(self, kind: FileKind, group: Group) -> AsyncIterator[tuple[Row, Rejection | None]]:
        one = self.manifest
        for row in group.rows:
            try:
                step_of(row, core=one.core, source=one.source, last=one.business_date)
            except RowError as error:
                yield row, _rejection(kind, row, error.field, error.reason)
            else:
                yield row, None

    async def _records(self, kind: FileKind, group: Group) -> AsyncIterator[tuple[Row, Rejection | None]]:
        good: list[tuple[Row, Payload]] = []
        for row in group.rows:
            try:
                good.append((row, record_of(kind, row, group.ids, source=self.manifest.source)))
            except RowError as error:
                yield row, _rejection(kind, row, error.field, error.reason)
        if good:
            for pair in _judged(kind, good, await self.services.check([payload for _, payload in good])):
                yield pair

    async def _plans(self, kind: FileKind, group: Group) -> AsyncIterator[tuple[Row, Rejection | None]]:
        good: list[tuple[Row, Payload]] = []
        holds: list[Payload] = []
        for row in group.rows:
            try:
                plan = plan_of(row, group.ids, hold_id=_NO_HOLD)
                hold = hold_of_plan(row, group.ids, source=self.manifest.source)
                self._planned.admit(row, group.ids)
                good.append((row, plan))
                holds.append(hold)
            except RowError as error:
                yield row, _rejection(kind, row, error.field, error.reason)
        if not good:
            return
        plans = await self.services.check_plans([payload for _, payload in good])
        held = await self.services.check(holds)
        results = [one if one.status != "good" else other for one, other in zip(plans, held, strict=True)]
        for pair in _judged(kind, good, results):
            yield pair

    def _reject(self, rejected: Iterable[Rejection]) -> None:
        """Keep them. Whose contact cannot be read has no complete history; if nobody knows whose, nobody has."""
        for one in rejected:
            self._lines.writerow(safe_cell(str(cell or "")) for cell in one)
            if one.kind != "contacts":
                continue
            if one.party_ref is None:
                self.objections.append(f"contacts: row {one.row} names nobody, so nobody's history is complete")
            else:
                self.incomplete.add(one.party_ref)

    def _check_people(self) -> None:
        """Of whom several references are, nothing is known complete unless the history of each is.

        Who remains may be somebody of whom the other system knew nothing; then nothing of it is missing.
        """
        if not self.one_person:
            return
        everybody = {*self.one_person, *self.one_person.values()}
        rows = read_rows(self.folder, self.manifest.of_kind("people"))
        said = {one.party_ref: one.values["history"] for one in rows if isinstance(one, Row)
                if one.party_ref in everybody}  # fmt: skip
        groups: dict[str, set[str]] = defaultdict(set)
        for given_up, person in self.one_person.items():
            groups[person] |= {given_up, person}
        for person, references in groups.items():
            known = {one for one in references if said.get(one) == "complete" and one not in self.incomplete}
            if references - known - ({person} - said.keys()):
                self.incomplete |= references

    async def _check_history(self) -> None:
        found = await self.services.look_back(self.manifest.places, self.manifest.business_date)
        if found.needed_from is not None and self.manifest.history_from > found.needed_from:
            self.objections.append(
                f"contacts reach back to {self.manifest.history_from}, {found.rule} looks back to {found.needed_from}"
            )

    def _check_counts(self, files: dict[FileKind, Counted]) -> None:
        for kind, counted in files.items():
            told = self.manifest.of_kind(kind)
            if counted.rows != told.rows:
                self.objections.append(f"{told.file}: {counted.rows} rows, the manifest says {told.rows}")
            if counted.repeated:
                self.objections.append(f"{told.file}: {counted.repeated} rows repeat a reference")
        rests = defaultdict(int, files["plans"].rests)
        plans = self.manifest.of_kind("plans")
        rejected = files["plans"].rows - files["plans"].good
        for total in plans.totals:
            wanted, found = minor_units(total.rest, total.currency), rests.pop(total.currency, 0)
            if wanted != found and not rejected:
                said = _text(found, total.currency)
                self.objections.append(f"{plans.file}: {total.currency} {said}, the manifest says {total.rest}")
        if any(rests.values()):
            self.objections.append(f"{plans.file}: {', '.join(sorted(rests))} are not among the manifest's totals")


def written(report: dict[str, Any]) -> bytes:
    """The report as it is signed."""
    return (json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _judged(
    kind: FileKind, good: Sequence[tuple[Row, Payload]], results: Sequence[Result]
) -> Iterable[tuple[Row, Rejection | None]]:
    for (row, _), result in zip(good, results, strict=True):
        fault = None if result.status == "good" else _rejection(kind, row, *result.reason)
        yield row, fault


def _rejection(kind: FileKind, row: Row, name: str, reason: str) -> Rejection:
    return Rejection(kind, row.number, name, reason, row.party_ref)


def _text(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-EXPONENTS[currency])
