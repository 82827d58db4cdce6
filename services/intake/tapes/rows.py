"""The second reading: which rows of a sheet have changed since the loan's last row, and what each of them means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.intake.store.tape_rows import Changed
from services.intake.tapes.columns import references, whole_numbers
from services.intake.tapes.contract import VOLATILE, AnyContract
from services.intake.tapes.facts import LoanOrigin, Origin
from services.intake.tapes.reading import understood as read
from services.intake.tapes.sheets import Sheet, read_sheets
from services.intake.tapes.survey import LoanSet, loan_hashes
from services.intake.tapes.understanding import Refusal, Understood
from shared.events import Event
from shared.events.base import EventData

_DIGEST_BYTES: Final = 16
_REPEATED: Final = {
    "loan_ref": Refusal("loan_ref", "repeated_loan"),
    "party_ref": Refusal("party_ref", "repeated_person"),
}


@dataclass(frozen=True)
class Fingerprinted:
    """A sheet with the hash of what each row is about and the digest of what it says of that, as hexadecimal text."""

    sheet: Sheet
    hashes: np.ndarray
    digests: list[str]
    nameless: np.ndarray

    @property
    def named(self) -> np.ndarray:
        """Places of the rows that say which loan or person they are about."""
        return np.flatnonzero(~self.nameless)


def fingerprints(
    path: Path, contract: AnyContract, key: bytes, business_date: date, *, after: int
) -> Iterator[Fingerprinted]:
    """The sheets of a file behind row `after`. `key` depends on the contract, so that a new one reads all rows anew.

    The core's own days past due say when it began to count. That is the same every night, unless it counts otherwise.
    """
    slots = contract.slots()
    counts_days = "core_dpd" in slots and slots["core_dpd"].value is None
    told = [slot for slot, source in slots.items() if source.value is None and slot not in VOLATILE]
    for sheet in read_sheets(path, contract):
        if sheet.numbers[-1] <= after:
            continue
        rest = sheet.take(np.flatnonzero(sheet.numbers > after))
        columns = [rest.columns[slot] for slot in told]
        if counts_days:
            columns.append(_counted_from(rest.columns["core_dpd"], business_date))
        joined = pc.binary_join_element_wise(*columns, b"\x1f").to_pylist()
        nameless = np.zeros(rest.count, bool)
        nameless[list(references(rest.columns[contract.subject]) | rest.broken)] = True
        yield Fingerprinted(
            rest,
            loan_hashes(rest.columns[contract.subject].to_pylist()),
            [blake2b(row, digest_size=_DIGEST_BYTES, key=key).hexdigest() for row in joined],
            nameless,
        )


def _counted_from(days_past_due: pa.Array, business_date: date) -> pa.Array:
    days, _ = whole_numbers(days_past_due)
    return pa.array(np.where(days > 0, business_date.toordinal() - days, days)).cast(pa.string()).cast(pa.binary())


@dataclass(frozen=True)
class Work:
    """Rows that may have an effect. All arrays are by place in `understood.sheet`."""

    understood: Understood
    refused: dict[int, Refusal]
    speaks: np.ndarray
    """Rows that state a fact."""
    overdue: np.ndarray
    removed: np.ndarray
    known: np.ndarray
    """Rows about what the feed has named before."""
    rows: pa.Table
    """What is to be kept of each row that can be taken (columns of its `LastRows`)."""
    places: np.ndarray
    """The places of `rows`."""
    last_row: int
    """The last row of the sheet, changed or not."""
    first_done: int
    """The last row before the sheet."""

    def groups(self, most: int) -> list[tuple[int, int]]:
        """The rows in consecutive groups with up to `most` facts each; at least one group."""
        ends = [int(place) + 1 for place in np.flatnonzero(self.speaks)[most - 1 :: most]]
        count = self.understood.sheet.count
        if not ends or ends[-1] < count:
            ends.append(count)
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def stated(self, first: int, end: int, origin: Origin) -> dict[int, Event[EventData]]:
        """The facts that rows [first, end) state. One that cannot be made is left out: it is poison to be set aside."""
        found: dict[int, Event[EventData]] = {}
        for row in (np.flatnonzero((self.speaks & ~self.removed)[first:end]) + first).tolist():
            with suppress(ValueError):
                found[row] = origin.stated(self.understood, row, is_overdue=bool(self.overdue[row]))
        return found

    def done_before(self, first: int) -> int:
        """The row up to which everything is done before the group that begins at `first`."""
        return int(self.understood.sheet.numbers[first - 1]) if first else self.first_done

    def done_after(self, end: int) -> int:
        """The row up to which everything is done after the group that ends before `end`."""
        sheet = self.understood.sheet
        return int(sheet.numbers[end - 1]) if end < sheet.count else self.last_row


@dataclass(frozen=True)
class Knowledge:
    """What is known besides the file: what has more than one row in it, and what others have spoken of."""

    repeated: LoanSet
    spoken_of: LoanSet

    def always(self, hashes: np.ndarray) -> np.ndarray:
        """Rows that are looked at even where they repeat the last one."""
        found: np.ndarray = self.repeated.holds(hashes) | self.spoken_of.holds(hashes)
        return found


def work_of(
    found: Fingerprinted, changed: Sequence[Changed], knowledge: Knowledge, origin: Origin
) -> Work:  # fmt: skip
    """What the changed rows of a sheet mean. `changed` also holds rows that name nothing."""
    ordered = sorted(changed, key=lambda one: one.place)
    places = np.array([one.place for one in ordered], np.int64)
    known = np.array([one.known for one in ordered], bool)
    was_overdue = np.array([one.was_overdue for one in ordered], bool)
    sheet, hashes = found.sheet.take(places), found.hashes[places]
    understood = read(sheet, origin.contract, origin.business_date)
    refused = dict(understood.refused)
    for row in np.flatnonzero(knowledge.repeated.holds(hashes)):
        refused.setdefault(int(row), _REPEATED[origin.contract.subject])
    fit = np.ones(sheet.count, bool)
    fit[list(refused)] = False
    removed = fit & _removed(understood)
    overdue = fit & ~removed & (understood.overdue_minor > 0)
    spoken_of = knowledge.spoken_of.holds(hashes)
    speaks = fit & (overdue | was_overdue | spoken_of | removed) if isinstance(origin, LoanOrigin) else fit
    kept = np.flatnonzero(fit & ~removed)
    digests = [found.digests[place] for place in places[kept]]
    return Work(
        understood=understood,
        refused=refused,
        speaks=speaks,
        overdue=overdue,
        removed=removed,
        known=known,
        rows=(
            _loan_rows(understood, kept, digests, overdue[kept], speaks[kept], origin)
            if isinstance(origin, LoanOrigin)
            else _people_rows(understood, kept, digests, origin)
        ),
        places=kept,
        last_row=int(found.sheet.numbers[-1]),
        first_done=int(found.sheet.numbers[0]) - 1,
    )


def _removed(understood: Understood) -> np.ndarray:
    if (operations := understood.texts.get("operation")) is None:
        return np.zeros(understood.sheet.count, bool)
    return operations.mask("remove".__eq__)


def _loan_rows(
    understood: Understood,
    kept: np.ndarray,
    digests: list[str],
    overdue: np.ndarray,
    speaks: np.ndarray,
    origin: LoanOrigin,
) -> pa.Table:
    columns = understood.sheet.columns
    is_overdue, is_spoken = pa.array(overdue), pa.array(speaks)
    numbers = _positions(understood, kept, origin)
    currencies = understood.texts["currency"]
    currency = pa.array([code or "" for code in currencies.values], pa.string()).take(
        pa.array(currencies.indices[kept])
    )
    nothing = pa.scalar(None)
    return pa.table(
        {
            "loan_ref": columns["loan_ref"].take(pa.array(kept)).cast(pa.string()),
            "digest": pa.array(digests, pa.string()),
            "overdue": is_overdue,
            "party_ref": pc.if_else(is_overdue, columns["party_ref"].take(pa.array(kept)).cast(pa.string()), nothing),
            "currency": pc.if_else(is_overdue, currency, nothing),
            "balance_minor": pc.if_else(is_overdue, pa.array(understood.minor["balance"][kept]), nothing),
            "stated_on": pc.if_else(is_spoken, pa.scalar(origin.business_date), nothing),
            "stated_number": pc.if_else(is_spoken, pa.array(numbers, pa.int64()), nothing),
        }
    )


def _people_rows(understood: Understood, kept: np.ndarray, digests: list[str], origin: Origin) -> pa.Table:
    return pa.table(
        {
            "party_ref": understood.sheet.columns["party_ref"].take(pa.array(kept)).cast(pa.string()),
            "digest": pa.array(digests, pa.string()),
            "stated_number": pa.array(_positions(understood, kept, origin), pa.int64()),
        }
    )


def _positions(understood: Understood, kept: np.ndarray, origin: Origin) -> np.ndarray:
    """Where the rows stand among the core's facts of the business date."""
    if origin.number is not None:
        return np.full(len(kept), origin.number)
    numbers: np.ndarray = understood.numbers["core_sequence"][kept]
    return numbers
