"""One line of a file as the record that a service imports, or why it cannot be one. Pure; nothing is guessed."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from services.intake.cutover.manifest import COLUMNS, CutoverError, CutoverFile, FileKind
from services.intake.strategy_schemas import TakenStep
from shared.ids import derived_id
from shared.money import Money, known_currency, parse_money

_LONGEST_LINE_BYTES: Final = 64 * 1024
_REFERENCES: Final = ("record_ref", "party_ref", "loan_ref")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_BOOLEANS: Final = {"yes": True, "no": False, "": None}
Payload = dict[str, Any]


class Rejection(NamedTuple):
    """A row that is not imported: its number from 1 (the header is not counted), field, reason, and whose it is."""

    kind: FileKind
    row: int
    field: str
    reason: str
    party_ref: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be read."""

    number: int
    values: Mapping[str, str]

    @property
    def party_ref(self) -> str | None:
        """Whom it is about, as the core names them."""
        return self.values.get("party_ref") or None

    @property
    def loan_ref(self) -> str | None:
        """The loan it is about."""
        return self.values.get("loan_ref") or None


class RowError(ValueError):
    """A field that cannot be read."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def read_rows(folder: Path, file: CutoverFile) -> Iterator[Row | Rejection]:
    """The rows of a file, in order, in bounded memory. One line is one row. Raises CutoverError."""
    names = COLUMNS[file.kind]
    with (folder / file.file).open("rb") as lines:
        header = _cells(lines.readline(_LONGEST_LINE_BYTES))
        if header is None or sorted(header) != sorted(names):
            raise CutoverError(f"{file.file}: the columns must be {', '.join(names)}")
        number = 0
        while line := lines.readline(_LONGEST_LINE_BYTES):
            number += 1
            cells = _cells(line)
            if cells is None or len(cells) != len(header):
                yield Rejection(file.kind, number, "", "is no line of so many UTF-8 columns", None)
                continue
            values = dict(zip(header, (one.strip() for one in cells), strict=True))
            wrong = next((name for name in _REFERENCES if name in values and not _is_reference(name, values)), None)
            if wrong is not None:
                known = wrong != "party_ref" and "party_ref" in values and _is_reference("party_ref", values)
                yield Rejection(file.kind, number, wrong, "is no reference", values["party_ref"] if known else None)
            else:
                yield Row(number, values)


def _is_reference(name: str, values: Mapping[str, str]) -> bool:
    optional = name == "loan_ref" and not values[name]
    return optional or _REFERENCE.fullmatch(values[name]) is not None


def _cells(line: bytes) -> list[str] | None:
    if b"\x00" in line or not line.strip():
        return None
    try:
        return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")], strict=True))
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return None


class Ids(NamedTuple):
    """Our ids of what rows name."""

    parties: Mapping[str, UUID]
    debts: Mapping[str, UUID]
    one_person: Mapping[str, str] = {}
    """By a reference that is somebody else now, the reference of who that is."""


class PlansOfPeople:
    """Who has a plan already in the rows read so far: a person has one that runs, under whatever reference."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}

    def admit(self, row: Row, ids: Ids) -> None:
        """Take the row's plan as its person's. Raises RowError where an earlier row has one."""
        party_ref = row.party_ref or ""
        person = ids.one_person.get(party_ref, party_ref)
        first = self._first.setdefault(person, row.number)
        if first != row.number:
            raise RowError("party_ref", f"is {person}, whose plan is in row {first}: a person has one that runs")


def step_of(row: Row, *, core: str, source: str, last: date) -> Payload:
    """What intake is told was done with a person, as history up to the day `last`. Raises RowError."""
    said = row.values
    step = {name: said[name] for name in ("party_ref", "step", "done_at")}
    step |= {"core": core, "reference": f"cutover:{_source(source, row)}", "vouched": "attested"}
    try:
        taken = TakenStep.model_validate(step)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise RowError(str(fault["loc"][-1]), fault["msg"]) from error
    if taken.done_at.date() > last:
        raise RowError("done_at", "lies after the business date of the cut-over")
    return step


def record_of(kind: FileKind, row: Row, ids: Ids, *, source: str) -> Payload:
    """What compliance imports; `source`: the name under which its references are known. Raises RowError."""
    return _RECORDS[kind](row, ids, source)


def _hold(row: Row, ids: Ids, source: str) -> Payload:
    said = row.values
    hold = {
        "party_id": _party(row, ids), "kind": said["kind"], "scope": said["scope"] or "collection",
        "valid_from": said["valid_from"], "source_ref": _source(source, row),
    }  # fmt: skip
    optional = {name: said[name] for name in ("valid_to", "need", "review_by") if said[name]}
    if row.loan_ref is not None:
        optional["debt_id"] = str(ids.debts[row.loan_ref])
    return {"kind": "hold", "record_ref": said["record_ref"], "hold": hold | optional}


def hold_of_plan(row: Row, ids: Ids, *, source: str) -> Payload:
    """The hold that must stand at compliance before a plan runs on."""
    hold = {
        "party_id": _party(row, ids), "kind": "plan_active", "scope": "collection",
        "valid_from": row.values["agreed_at"], "source_ref": _source(source, row),
    }  # fmt: skip
    return {"kind": "hold", "record_ref": f"plan:{_source(source, row)}", "hold": hold}


def _complaint(row: Row, ids: Ids, source: str) -> Payload:
    said = row.values
    complaint = {
        "party_id": _party(row, ids), "channel": said["channel"], "received_at": said["received_at"],
        "reference": _source(source, row), "words": said["words"] or None,
    }  # fmt: skip
    return {"kind": "complaint", "record_ref": said["record_ref"], "complaint": complaint}


def _contact(row: Row, ids: Ids, _source: str) -> Payload:
    said = row.values
    contact: Payload = {"party_id": _party(row, ids), "conversation": _boolean(row, "conversation")}
    contact |= {name: said[name] for name in ("channel", "started_at", "ended_at", "outcome")}
    contact |= {name: said[name] for name in ("purpose", "contact_point", "reached") if said[name]}
    return {"kind": "contact", "record_ref": said["record_ref"], "contact": contact}


def _inquiry(row: Row, _ids: Ids, _source: str) -> Payload:
    said = row.values
    inquiry = {name: said[name] for name in ("contact_point", "asked_on", "asked")}
    return {
        "kind": "third_person", "record_ref": said["record_ref"],
        "inquiry": inquiry | {"refused": bool(_boolean(row, "refused"))},
    }  # fmt: skip


_RECORDS: Final[Mapping[FileKind, Callable[[Row, Ids, str], Payload]]] = {
    "holds": _hold, "complaints": _complaint, "contacts": _contact, "third_persons": _inquiry,
}  # fmt: skip


def plan_of(row: Row, ids: Ids, *, hold_id: UUID) -> Payload:
    """What plans imports. `schedule`: `2026-04-12=250.00 2026-05-12=250.00`, what is unpaid of it. Raises RowError."""
    said = row.values
    debt = _money(row, "debt", said["debt"])
    schedule = [
        {"due_date": day.isoformat(), "rest": rest.model_dump()} for day, rest in schedule_of(row)
    ]  # fmt: skip
    plan = {name: said[name] for name in ("record_ref", "basis", "kind", "agreed_at", "review_on")}
    plan |= {name: said[name] for name in ("document_ref", "document_sha256") if said[name]}
    return plan | {
        "party_id": _party(row, ids), "instalments": schedule, "debt": debt.model_dump(), "hold_id": str(hold_id),
    }  # fmt: skip


def schedule_of(row: Row) -> list[tuple[date, Money]]:
    """What is unpaid of each instalment. Raises RowError."""
    found: list[tuple[date, Money]] = []
    for part in row.values["schedule"].split():
        day, _, amount = part.partition("=")
        try:
            found.append((date.fromisoformat(day), _money(row, "schedule", amount)))
        except ValueError as error:
            raise RowError("schedule", f"{part!r} is no DATE=AMOUNT") from error
    return found


def _money(row: Row, field: str, text: str) -> Money:
    try:
        return parse_money(text, known_currency(row.values["currency"]))
    except ValueError as error:
        raise RowError(field, "is no exact amount of a known currency") from error


def _boolean(row: Row, field: str) -> bool | None:
    if row.values[field] not in _BOOLEANS:
        raise RowError(field, "is neither yes nor no")
    return _BOOLEANS[row.values[field]]


def _party(row: Row, ids: Ids) -> str:
    assert row.party_ref is not None  # `read_rows` rejects a row without one
    return str(ids.parties[row.party_ref])


def _source(source: str, row: Row) -> str:
    """Of a record that says something else than it did the name is another one: both stand."""
    said = (value for name, value in sorted(row.values.items()) if name != "record_ref")
    return str(derived_id("cutover-source", source, row.values["record_ref"], *said))
