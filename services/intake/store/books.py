"""Loading and saving the books of many parties, set-wise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from services.intake.domain import groups
from services.intake.domain.book import (
    NOBODY,
    Book,
    Case,
    Loan,
    Movement,
    Person,
    Place,
    Profile,
    Receipt,
    Reversal,
    Statement,
    Terms,
    matters,
)
from services.intake.domain.delinquency import Pause
from services.intake.domain.standing import Standing
from services.intake.store import groups as groups_store
from services.intake.store import portfolio
from shared.database import UnitOfWork
from shared.database.columns import NULL, SEPARATOR, append

_encode = msgspec.json.encode
_terms = msgspec.json.Decoder(Terms).decode
_statement = msgspec.json.Decoder(Statement).decode
_standing = msgspec.json.Decoder(Standing).decode
_place = msgspec.json.Decoder(Place).decode
_receipt = msgspec.json.Decoder(Receipt).decode
_reversal = msgspec.json.Decoder(Reversal).decode
_profile = msgspec.json.Decoder(Profile).decode
_pauses = msgspec.json.Decoder(tuple[Pause, ...]).decode
_totals = msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode

_LOANS = """
SELECT party_id, core, loan_ref, loan_id, terms::text, statement::text, standing, place FROM loan
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
_LOAN_REFS = """
SELECT DISTINCT loan_ref FROM loan WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND terms IS NOT NULL
ORDER BY loan_ref
"""
_MOVEMENTS = """
SELECT party_id, core, transaction_ref, loan_ref, receipt::text, reversal::text, posted, reversal_posted FROM movement
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND matters
"""
_NAMED_MOVEMENTS = """
SELECT m.party_id, m.core, m.transaction_ref, m.loan_ref, m.receipt::text, m.reversal::text, m.posted,
       m.reversal_posted
FROM unnest($2::uuid[], $3::text[]) AS k(party_id, transaction_ref)
JOIN movement m ON m.tenant = $1 AND m.party_id = k.party_id AND m.transaction_ref = k.transaction_ref
"""
_CASES = """
SELECT party_id, case_id, version, status, as_of, suspended, opened_at, bucket, days_contractual, days_effective,
       overdue_minor::text, held, core
FROM case_file WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
_PEOPLE = """
SELECT party_id, profile::text, deceased_on, parked_by, pauses::text FROM person
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""

_LOAN_COLUMNS = ("tenant", "party_id", "core", "loan_ref", "loan_id", "terms", "statement", "standing", "place")
_CASE_COLUMNS = (
    "tenant", "party_id", "case_id", "core", "version", "status", "as_of", "suspended", "opened_at", "bucket",
    "days_contractual", "days_effective", "overdue_minor", "held",
)  # fmt: skip
_SAVE_LOANS = """
INSERT INTO loan (tenant, party_id, core, loan_ref, loan_id, terms, statement, standing, place)
SELECT $1, party_id, core, loan_ref, loan_id, terms, statement, standing, place
FROM unnest(string_to_array($2, chr(31))::uuid[], string_to_array($3, chr(31)), string_to_array($4, chr(31)),
            string_to_array($5, chr(31))::uuid[], string_to_array($6, chr(31), chr(2)),
            string_to_array($7, chr(31), chr(2)), string_to_array($8, chr(31), chr(2)),
            string_to_array($9, chr(31), chr(2)))
  AS n(party_id, core, loan_ref, loan_id, terms, statement, standing, place)
ON CONFLICT (tenant, party_id, core, loan_ref) DO UPDATE
SET terms = excluded.terms, statement = excluded.statement, standing = excluded.standing, place = excluded.place
"""
_SAVE_MOVEMENTS = """
INSERT INTO movement AS m (tenant, party_id, core, transaction_ref, loan_ref, receipt, reversal, posted,
                           reversal_posted, matters)
SELECT $1, party_id, core, transaction_ref, loan_ref, receipt, reversal, posted, reversal_posted, matters
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::boolean[],
            $10::boolean[])
  AS n(party_id, core, transaction_ref, loan_ref, receipt, reversal, posted, reversal_posted, matters)
ON CONFLICT (tenant, party_id, core, transaction_ref) DO UPDATE
SET loan_ref = excluded.loan_ref, receipt = excluded.receipt, reversal = excluded.reversal, posted = excluded.posted,
    reversal_posted = excluded.reversal_posted, matters = excluded.matters
"""
_SAVE_CASES = """
INSERT INTO case_file (tenant, party_id, case_id, core, version, status, as_of, suspended, opened_at, bucket,
                       days_contractual, days_effective, overdue_minor, held)
SELECT $1, party_id, case_id, core, version, status, as_of,
       suspended::text[], opened_at, bucket, days_contractual, days_effective, overdue_minor, held
FROM unnest(string_to_array($2, chr(31))::uuid[], string_to_array($3, chr(31))::uuid[], string_to_array($4, chr(31)),
            string_to_array($5, chr(31))::bigint[], string_to_array($6, chr(31)), string_to_array($7, chr(31))::date[],
            string_to_array($8, chr(31)), string_to_array($9, chr(31))::timestamptz[], string_to_array($10, chr(31)),
            string_to_array($11, chr(31))::integer[], string_to_array($12, chr(31))::integer[],
            string_to_array($13, chr(31)), string_to_array($14, chr(31))::boolean[])
  AS n(party_id, case_id, core, version, status, as_of, suspended, opened_at, bucket, days_contractual, days_effective,
       overdue_minor, held)
ON CONFLICT (tenant, party_id) DO UPDATE
SET version = excluded.version, status = excluded.status, as_of = excluded.as_of, suspended = excluded.suspended,
    bucket = excluded.bucket, days_contractual = excluded.days_contractual,
    days_effective = excluded.days_effective, overdue_minor = excluded.overdue_minor, held = excluded.held
"""
_SAVE_PEOPLE = """
INSERT INTO person (tenant, party_id, profile, deceased_on, parked_by, pauses)
SELECT $1, party_id, profile, deceased_on,
       parked_by::text[], pauses
FROM unnest($2::uuid[], $3::text[], $4::date[], $5::text[], $6::text[])
  AS n(party_id, profile, deceased_on, parked_by, pauses)
ON CONFLICT (tenant, party_id) DO UPDATE
SET profile = excluded.profile, deceased_on = excluded.deceased_on, parked_by = excluded.parked_by,
    pauses = excluded.pauses
"""


def blank(party_id: UUID, core: str) -> Book:
    """The book of a party of which nothing is stored."""
    return Book(party_id=party_id, core=core, person=NOBODY, loans={}, movements={}, case=None)


async def load(
    uow: UnitOfWork, cores: Mapping[UUID, str], *, transactions: Iterable[tuple[UUID, str]] = ()
) -> dict[UUID, Book]:
    """The books of the parties in `cores` (party id → its core), with the movements that matter and the named ones.

    Of somebody who stands for others the book of all of them; of somebody who is another person now an empty one.
    """
    aliases = await groups_store.touching(uow, cores) if cores else []
    if not aliases:
        return await load_own(uow, cores, transactions=transactions)
    led = {one.party_id: one.lead for one in aliases if one.lead != one.party_id}
    members: dict[UUID, list[UUID]] = {}
    for party_id, lead in sorted(led.items()):
        if lead in cores:
            members.setdefault(lead, [lead]).append(party_id)
    named = [(one, reference) for party_id, reference in transactions for one in members.get(party_id, [party_id])]
    of_members = {one: cores[lead] for lead, group in members.items() for one in group}
    own = await load_own(uow, {**cores, **of_members}, transactions=named)
    merging = {side for one in aliases if not one.settled for side in (one.party_id, one.lead, one.other)}
    return {
        party_id: _stood_for(own[party_id], led[party_id])
        if party_id in led
        else groups.joined([own[one] for one in members.get(party_id, [party_id])], merging=party_id in merging)
        for party_id in cores
    }


def _stood_for(own: Book, lead: UUID) -> Book:
    return Book(own.party_id, own.core, NOBODY, {}, {}, own.case, lead=lead)


async def load_own(
    uow: UnitOfWork, cores: Mapping[UUID, str], *, transactions: Iterable[tuple[UUID, str]] = ()
) -> dict[UUID, Book]:
    """The books as they were told under each party's own reference, whoever stands for whom."""
    ids = sorted(cores)
    if not ids:
        return {}
    loans: dict[UUID, dict[str, Loan]] = {}
    for row in await uow.sql.fetch(_LOANS, uow.tenant, ids):
        loans.setdefault(row["party_id"], {})[row["loan_ref"]] = loan_of(row)
    movements: dict[UUID, dict[str, Movement]] = {}
    rows = await uow.sql.fetch(_MOVEMENTS, uow.tenant, ids)
    named = sorted(set(transactions))
    if named:
        rows += await uow.sql.fetch(
            _NAMED_MOVEMENTS, uow.tenant, [party_id for party_id, _ in named], [reference for _, reference in named]
        )
    for row in rows:
        movements.setdefault(row["party_id"], {})[row["transaction_ref"]] = movement_of(row)
    cases = {row["party_id"]: case_of(row) for row in await uow.sql.fetch(_CASES, uow.tenant, ids)}
    people = await load_people(uow, ids)
    return {
        party_id: Book(
            party_id=party_id,
            core=cores[party_id],
            person=people.get(party_id, NOBODY),
            loans=loans.get(party_id, {}),
            movements=movements.get(party_id, {}),
            case=cases.get(party_id),
        )
        for party_id in ids
    }


async def loan_refs(uow: UnitOfWork, party_ids: Sequence[UUID]) -> list[str]:
    """The references of the parties' loans, in order."""
    return [row[0] for row in await uow.sql.fetch(_LOAN_REFS, uow.tenant, party_ids)]


async def load_people(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, Person]:
    """The persons among `party_ids`, personal data left out."""
    return {
        party_id: Person(
            profile=_profile(profile) if profile else None,
            deceased_on=deceased_on,
            parked_by=tuple(parked_by),
            pauses=_pauses(pauses),
        )
        for party_id, profile, deceased_on, parked_by, pauses in await uow.sql.fetch(_PEOPLE, uow.tenant, party_ids)
    }


async def save(uow: UnitOfWork, before: Mapping[UUID, Book], after: Mapping[UUID, Book]) -> None:
    """Write what differs, sorted by party. `before` holds the books as they were loaded (or blank)."""
    changed = [
        pair
        for party_id in sorted(after)
        if after[party_id] is not before[party_id]
        for pair in _of_members(before[party_id], after[party_id])
    ]
    await _save_people(uow, [new for old, new in changed if new.person is not old.person])
    loans = [
        (new, old.loans.get(reference), loan)
        for old, new in changed
        for reference, loan in sorted(new.loans.items())
        if old.loans.get(reference) is not loan
    ]
    await _save_loans(uow, loans)
    await portfolio.note_moves(uow, loans)
    await _save_movements(
        uow,
        [
            (new, movement)
            for old, new in changed
            for reference, movement in sorted(new.movements.items())
            if old.movements.get(reference) is not movement or _was_dropped(old, new, movement)
        ],
    )
    await _save_cases(
        uow, [(new, old.case, new.case) for old, new in changed if new.case is not None and new.case != old.case]
    )


def _of_members(before: Book, after: Book) -> list[tuple[Book, Book]]:
    """What each reference was told is written to its own book."""
    if not after.members:
        return [(before, after)]
    known = {one.party_id: one for one in before.members}
    return [(known[one.party_id], one) for one in groups.parted(after) if one is not known[one.party_id]]


def _was_dropped(old: Book, new: Book, movement: Movement) -> bool:
    """Whether the movement mattered until now: a newer statement of its loan has overtaken it."""
    reference = movement.loan_ref
    return matters(movement, old.loans.get(reference)) != matters(movement, new.loans.get(reference))


async def _save_people(uow: UnitOfWork, books: Sequence[Book]) -> None:
    if not books:
        return
    people = [book.person for book in books]
    await uow.sql.execute(
        _SAVE_PEOPLE,
        uow.tenant,
        [book.party_id for book in books],
        [None if person.profile is None else _encode(person.profile).decode() for person in people],
        [person.deceased_on for person in people],
        [_array(person.parked_by) for person in people],
        [_encode(person.pauses).decode() for person in people],
    )


async def _save_loans(uow: UnitOfWork, loans: Sequence[tuple[Book, Loan | None, Loan]]) -> None:
    """Write loans (book, before, after)."""
    rows = [(before is None, _loan_row(uow.tenant, book, loan)) for book, before, loan in loans]
    await _write(uow, "loan", _LOAN_COLUMNS, _SAVE_LOANS, rows)


def _loan_row(tenant: str, book: Book, loan: Loan) -> tuple[str, ...]:
    return (
        tenant, book.party_id.hex, book.core, loan.loan_ref, loan.loan_id.hex, _text(loan.terms), _text(loan.statement),
        _text(loan.standing), _text(loan.place),
    )  # fmt: skip


def _text(part: Struct | None) -> str:
    """A part as JSON, or null."""
    return NULL if part is None else _encode(part).decode()


async def _save_movements(uow: UnitOfWork, rows: Sequence[tuple[Book, Movement]]) -> None:
    if not rows:
        return
    await uow.sql.execute(
        _SAVE_MOVEMENTS,
        uow.tenant,
        [book.party_id for book, _ in rows],
        [book.core for book, _ in rows],
        [movement.transaction_ref for _, movement in rows],
        [movement.loan_ref for _, movement in rows],
        [None if movement.receipt is None else _encode(movement.receipt).decode() for _, movement in rows],
        [None if movement.reversal is None else _encode(movement.reversal).decode() for _, movement in rows],
        [movement.posted for _, movement in rows],
        [movement.reversal_posted for _, movement in rows],
        [matters(movement, book.loans.get(movement.loan_ref)) for book, movement in rows],
    )


async def _save_cases(uow: UnitOfWork, cases: Sequence[tuple[Book, Case | None, Case]]) -> None:
    """Write cases (book, before, after)."""
    rows = [(before is None, _case_row(uow.tenant, book, case)) for book, before, case in cases]
    await _write(uow, "case_file", _CASE_COLUMNS, _SAVE_CASES, rows)


async def _write(
    uow: UnitOfWork, table: str, columns: Sequence[str], save: str, rows: Sequence[tuple[bool, tuple[str, ...]]]
) -> None:
    """Append the rows that are new, and save the others: who holds the party's lock knows which are which."""
    await append(uow.sql, table, columns, [row for is_new, row in rows if is_new])
    known = [row for is_new, row in rows if not is_new]
    if known:
        _, *values = zip(*known, strict=True)
        await uow.sql.execute(save, uow.tenant, *map(SEPARATOR.join, values))


def _case_row(tenant: str, book: Book, case: Case) -> tuple[str, ...]:
    return (
        tenant, book.party_id.hex, case.case_id.hex, book.core, str(case.version), case.status, str(case.as_of),
        _array(case.suspended), _encode(case.opened_at)[1:-1].decode(), case.bucket, str(case.days_contractual),
        str(case.days_effective), _encode(case.overdue_minor).decode(), "t" if case.held else "f",
    )  # fmt: skip


def _array(names: Sequence[str]) -> str:
    """An array literal of codes. Never empty: a joined column of one empty text would be no column at all."""
    return f"{{{','.join(names)}}}"


def loan_of(row: asyncpg.Record) -> Loan:
    """A row of `loan`."""
    _, _, loan_ref, loan_id, terms, statement, standing, place = row
    return Loan(
        loan_id,
        loan_ref,
        _terms(terms) if terms else None,
        _statement(statement) if statement else None,
        _standing(standing) if standing else None,
        _place(place) if place else None,
    )


def movement_of(row: asyncpg.Record) -> Movement:
    """A row of `movement`."""
    return Movement(
        row["transaction_ref"],
        _receipt(row["receipt"]) if row["receipt"] else None,
        _reversal(row["reversal"]) if row["reversal"] else None,
        row["posted"],
        row["reversal_posted"],
    )


def case_of(row: asyncpg.Record) -> Case:
    """A row of `case_file`."""
    return Case(
        case_id=row["case_id"],
        version=row["version"],
        status=row["status"],
        as_of=row["as_of"],
        suspended=tuple(row["suspended"]),
        opened_at=row["opened_at"],
        bucket=row["bucket"],
        days_contractual=row["days_contractual"],
        days_effective=row["days_effective"],
        overdue_minor=_totals(row["overdue_minor"]),
        held=row["held"],
    )
