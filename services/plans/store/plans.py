"""All SQL of plans, set-wise. The household's statement and the document are sealed under the party's own key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from services.plans.domain.case import KnownCase
from services.plans.domain.origin import Imported
from services.plans.domain.payments import Payment
from services.plans.domain.plan import Plan, PlanState
from shared.database import UnitOfWork
from shared.events.plan import Instalment
from shared.money import Money
from shared.security.party_keys import PartyCipher, Plain, Sealed

STATEMENT: Final = "plan.sealed_statement"
DOCUMENT: Final = "plan.sealed_document"
_SEALED: Final = (STATEMENT, DOCUMENT)

_CASES = "SELECT * FROM case_known WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_SAVE_CASES = """
INSERT INTO case_known (tenant, party_id, case_id, version, is_open, balance_minor, balance_currency, jurisdiction,
                        time_zones, suspended, core)
SELECT $1, r.party_id, r.case_id, r.version, r.is_open, r.minor::bigint[], r.currency::text[], r.jurisdiction,
       r.time_zones::text[], r.suspended, r.core
FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::boolean[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::boolean[], $11::text[])
  AS r(party_id, case_id, version, is_open, minor, currency, jurisdiction, time_zones, suspended, core)
ON CONFLICT (tenant, party_id, case_id) DO UPDATE SET
  version = excluded.version, is_open = excluded.is_open, balance_minor = excluded.balance_minor,
  balance_currency = excluded.balance_currency, jurisdiction = excluded.jurisdiction,
  time_zones = excluded.time_zones, suspended = excluded.suspended, core = excluded.core
"""
_PLANS_OF_PARTIES = """
SELECT * FROM plan WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, proposed_at, plan_id
"""
_PLAN = "SELECT * FROM plan WHERE tenant = $1 AND plan_id = $2"
_PARTY_OF_PLAN = "SELECT party_id FROM plan WHERE tenant = $1 AND plan_id = $2"
_PAYMENTS = """
SELECT * FROM payment WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND plan_id = ANY($3::uuid[])
ORDER BY plan_id, position
"""
_INSERT_PLAN = """
INSERT INTO plan (tenant, party_id, plan_id, case_id, visit_id, kind, state, version, currency, total_minor, debt_minor,
                  sealed_statement, instalment_due, instalment_minor, table_id, review_on, sealed_document,
                  document_sha256, proposed_at, attempt, paid_minor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 0, 0)
"""
_INSERT_IMPORTED = """
INSERT INTO plan (tenant, party_id, plan_id, case_id, kind, state, version, currency, total_minor, debt_minor,
                  instalment_due, instalment_minor, review_on, document_sha256, proposed_at, hold_id, cutover_id,
                  record_ref, basis, document_ref, agreed_at, paid_until, attempt, paid_minor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 0, 0)
"""
_UPDATE_PLANS = """
UPDATE plan SET state = r.state, version = r.version, attempt = r.attempt, attempt_opened_at = r.attempt_opened_at,
                attempt_open_until = r.attempt_open_until, hold_id = r.hold_id, signed_at = r.signed_at,
                completed_at = r.completed_at, paid_minor = r.paid_minor
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::integer[], $7::timestamptz[],
            $8::timestamptz[], $9::uuid[], $10::timestamptz[], $11::timestamptz[], $12::bigint[])
  AS r(party_id, plan_id, state, version, attempt, attempt_opened_at, attempt_open_until, hold_id, signed_at,
       completed_at, paid_minor)
WHERE plan.tenant = $1 AND plan.party_id = r.party_id AND plan.plan_id = r.plan_id
"""
_SAVE_PAYMENTS = """
INSERT INTO payment (tenant, party_id, plan_id, transaction_ref, loan_id, amount_minor, position, reversed, recorded_at)
SELECT $1, r.*, $9
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::bigint[], $7::integer[], $8::boolean[])
  AS r(party_id, plan_id, transaction_ref, loan_id, amount_minor, position, reversed)
ON CONFLICT (tenant, party_id, plan_id, transaction_ref) DO UPDATE SET reversed = excluded.reversed
"""
_REFUSE = "INSERT INTO refusal (tenant, party_id, plan_id, rule, recorded_at) VALUES ($1, $2, $3, $4, $5)"
_COUNTS = {
    "plans": "SELECT state AS name, count(*) AS n FROM plan WHERE tenant = $1 GROUP BY state",
    "kinds_signed": """
        SELECT kind AS name, count(*) AS n FROM plan
        WHERE tenant = $1 AND state IN ('signed', 'completed') AND cutover_id IS NULL GROUP BY kind""",
    "refusals": "SELECT rule AS name, count(*) AS n FROM refusal WHERE tenant = $1 GROUP BY rule",
}
_MONEY = """
SELECT currency,
       coalesce(sum(total_minor) FILTER (WHERE state IN ('signed', 'completed') AND cutover_id IS NULL), 0) AS agreed,
       coalesce(sum(paid_minor), 0) AS paid
FROM plan WHERE tenant = $1 GROUP BY currency ORDER BY currency
"""
_MATCHED = "SELECT count(*) FROM payment WHERE tenant = $1 AND NOT reversed"


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What the summary tells."""

    counts: dict[str, dict[str, int]]
    agreed: list[Money]
    paid: list[Money]
    payments_matched: int


class PlanStore:
    """Reads and writes plans; holds the cipher of the personal columns."""

    def __init__(self, cipher: PartyCipher) -> None:
        self._cipher = cipher

    async def party_of(self, uow: UnitOfWork, plan_id: UUID) -> UUID | None:
        """Whose plan it is."""
        party_id: UUID | None = await uow.sql.fetchval(_PARTY_OF_PLAN, uow.tenant, plan_id)
        return party_id

    async def load(self, uow: UnitOfWork, plan_id: UUID) -> Plan | None:
        """One plan with its payments."""
        rows = await uow.sql.fetch(_PLAN, uow.tenant, plan_id)
        plans = await self._plans(uow, rows)
        return plans[0] if plans else None

    async def of_parties(self, uow: UnitOfWork, party_ids: Iterable[UUID], *, opened: bool = True) -> list[Plan]:
        """All plans of the parties, oldest first; not `opened`: without what is sealed of them, for who looks daily."""
        rows = await uow.sql.fetch(_PLANS_OF_PARTIES, uow.tenant, sorted(set(party_ids)))
        return await self._plans(uow, rows, opened=opened)

    async def add(self, uow: UnitOfWork, plan: Plan, *, statement: Mapping[str, Any]) -> None:
        """Insert a proposal. `statement` is what the household told us; it is only ever stored sealed."""
        assert plan.surplus is not None  # worked out from the statement
        content = msgspec.json.encode({**statement, "surplus_minor": plan.surplus.amount_minor}).decode()
        sealed_statement, sealed_document = await self._cipher.seal_many(
            uow, [Plain(plan.party_id, STATEMENT, content), Plain(plan.party_id, DOCUMENT, plan.document)]
        )
        await uow.sql.execute(
            _INSERT_PLAN,
            uow.tenant,
            plan.party_id,
            plan.plan_id,
            plan.case_id,
            plan.visit_id,
            plan.kind,
            plan.state.value,
            plan.version,
            plan.currency,
            plan.total.amount_minor,
            plan.debt.amount_minor,
            sealed_statement,
            [each.due_date for each in plan.instalments],
            [each.amount.amount_minor for each in plan.instalments],
            plan.table_id,
            plan.review_on,
            sealed_document,
            plan.document_sha256,
            plan.proposed_at,
        )

    async def add_imported(self, uow: UnitOfWork, plans: Sequence[Plan]) -> None:
        """Insert plans that run on from another system; of their households nothing is known."""
        await uow.sql.executemany(_INSERT_IMPORTED, [_imported_row(uow.tenant, plan) for plan in plans])

    async def save(self, uow: UnitOfWork, plans: Sequence[Plan]) -> None:
        """Write the changed states and payments of existing plans, sorted by key."""
        ordered = sorted(plans, key=lambda each: (each.party_id, each.plan_id))
        if not ordered:
            return
        rows = [
            (p.party_id, p.plan_id, p.state.value, p.version, p.attempt, p.attempt_opened_at, p.attempt_open_until,
             p.hold_id, p.signed_at, p.completed_at, p.paid.amount_minor)
            for p in ordered
        ]  # fmt: skip
        await uow.sql.execute(_UPDATE_PLANS, uow.tenant, *_columns(rows))
        payments = [
            (p.party_id, p.plan_id, each.transaction_ref, each.loan_id, each.amount_minor, each.position, each.reversed)
            for p in ordered
            for each in p.payments
        ]
        if payments:
            await uow.sql.execute(_SAVE_PAYMENTS, uow.tenant, *_columns(payments), uow.real_now)

    def record_of(self, cutover_id: str, record_ref: str) -> bytes:
        """A commitment to another system's reference, under the name of the cut-over."""
        return self._cipher.blind_index("cutover_plan", f"{cutover_id}|{record_ref}")

    async def erase(self, uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
        """Delete the people's keys: what a household told, and the plan's text, are unreadable for ever."""
        await self._cipher.erase(uow, party_ids)

    async def _plans(self, uow: UnitOfWork, rows: Sequence[asyncpg.Record], *, opened: bool = True) -> list[Plan]:
        if not rows:
            return []
        texts = await self._opened(uow, [row for row in rows if opened and row["cutover_id"] is None])
        payments: dict[UUID, list[Payment]] = defaultdict(list)
        found = await uow.sql.fetch(
            _PAYMENTS, uow.tenant, sorted({row["party_id"] for row in rows}), sorted(row["plan_id"] for row in rows)
        )
        for row in found:
            payments[row["plan_id"]].append(_payment(row))
        return [
            _plan(
                row,
                payments[row["plan_id"]],
                statement=texts.get((row["plan_id"], STATEMENT)),
                document=texts.get((row["plan_id"], DOCUMENT)),
            )
            for row in rows
        ]

    async def _opened(self, uow: UnitOfWork, rows: Sequence[asyncpg.Record]) -> dict[tuple[UUID, str], str | None]:
        places = [(row["plan_id"], field) for row in rows for field in _SEALED]
        sealed = [
            Sealed(row["party_id"], field, bytes(row[field.removeprefix("plan.")])) for row in rows for field in _SEALED
        ]
        return dict(zip(places, await self._cipher.open_many(uow, sealed), strict=True)) if rows else {}


async def load_cases(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], KnownCase]:
    """Known cases by (party, case)."""
    rows = await uow.sql.fetch(_CASES, uow.tenant, sorted(set(party_ids)))
    return {
        (row["party_id"], row["case_id"]): KnownCase(
            party_id=row["party_id"],
            case_id=row["case_id"],
            version=row["version"],
            is_open=row["is_open"],
            balances=dict(zip(row["balance_currency"], row["balance_minor"], strict=True)),
            jurisdiction=row["jurisdiction"],
            time_zones=tuple(row["time_zones"]),
            suspended=row["suspended"],
            core=row["core"],
        )
        for row in rows
    }


async def save_cases(uow: UnitOfWork, cases: Sequence[KnownCase]) -> None:
    """Insert or replace cases, sorted by key."""
    if not cases:
        return
    rows = [
        (case.party_id, case.case_id, case.version, case.is_open, _array(map(str, case.balances.values())),
         _array(case.balances), case.jurisdiction, _array(case.time_zones), case.suspended,
         case.core)
        for case in sorted(cases, key=lambda each: (each.party_id, each.case_id))
    ]  # fmt: skip
    await uow.sql.execute(_SAVE_CASES, uow.tenant, *_columns(rows))


async def record_refusal(uow: UnitOfWork, *, party_id: UUID, plan_id: UUID, rule: str) -> None:
    """Count a refused plan."""
    await uow.sql.execute(_REFUSE, uow.tenant, party_id, plan_id, rule, uow.real_now)


async def statistics(uow: UnitOfWork) -> Statistics:
    """Counts and sums over all plans."""
    counts = {
        title: {row["name"]: row["n"] for row in await uow.sql.fetch(statement, uow.tenant)}
        for title, statement in _COUNTS.items()
    }
    rows = await uow.sql.fetch(_MONEY, uow.tenant)
    return Statistics(
        counts=counts,
        agreed=[Money(amount_minor=int(row["agreed"]), currency=row["currency"]) for row in rows],
        paid=[Money(amount_minor=int(row["paid"]), currency=row["currency"]) for row in rows],
        payments_matched=int(await uow.sql.fetchval(_MATCHED, uow.tenant)),
    )


def _plan(row: asyncpg.Record, payments: list[Payment], *, statement: str | None, document: str | None) -> Plan:
    """A row as a plan; the personal parts of an erased person are empty."""
    currency = row["currency"]
    surplus_minor = 0 if statement is None else msgspec.json.decode(statement)["surplus_minor"]
    imported = None if row["cutover_id"] is None else _imported(row)
    due = zip(row["instalment_due"], row["instalment_minor"], strict=True)
    return Plan(
        plan_id=row["plan_id"],
        party_id=row["party_id"],
        case_id=row["case_id"],
        visit_id=row["visit_id"],
        kind=row["kind"],
        instalments=tuple(
            Instalment(number=number, due_date=day, amount=Money(amount_minor=minor, currency=currency))
            for number, (day, minor) in enumerate(due, start=1)
        ),
        total=Money(amount_minor=row["total_minor"], currency=currency),
        debt=Money(amount_minor=row["debt_minor"], currency=currency),
        surplus=None if imported is not None else Money(amount_minor=surplus_minor, currency=currency),
        table_id=row["table_id"],
        review_on=row["review_on"],
        document=document or "",
        document_sha256=row["document_sha256"],
        proposed_at=row["proposed_at"],
        state=PlanState(row["state"]),
        version=row["version"],
        attempt=row["attempt"],
        attempt_opened_at=row["attempt_opened_at"],
        attempt_open_until=row["attempt_open_until"],
        hold_id=row["hold_id"],
        signed_at=row["signed_at"],
        completed_at=row["completed_at"],
        payments=tuple(payments),
        imported=imported,
    )


def _imported(row: asyncpg.Record) -> Imported:
    return Imported(
        cutover_id=row["cutover_id"],
        record_ref=row["record_ref"],
        basis=row["basis"],
        document_ref=row["document_ref"],
        agreed_at=row["agreed_at"],
        paid_until=row["paid_until"],
    )


def _imported_row(tenant: str, plan: Plan) -> tuple[object, ...]:
    assert plan.imported is not None  # what makes it one
    one = plan.imported
    return (
        tenant, plan.party_id, plan.plan_id, plan.case_id, plan.kind, plan.state.value, plan.version, plan.currency,
        plan.total.amount_minor, plan.debt.amount_minor, [each.due_date for each in plan.instalments],
        [each.amount.amount_minor for each in plan.instalments], plan.review_on, plan.document_sha256,
        plan.proposed_at, plan.hold_id, one.cutover_id, one.record_ref, one.basis, one.document_ref, one.agreed_at,
        one.paid_until,
    )  # fmt: skip


def _payment(row: asyncpg.Record) -> Payment:
    return Payment(
        transaction_ref=row["transaction_ref"],
        loan_id=row["loan_id"],
        amount_minor=row["amount_minor"],
        position=row["position"],
        reversed=row["reversed"],
    )


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Rows to one list per column; there must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def _array(values: Iterable[str]) -> str:
    """A PostgreSQL array literal of plain words: arrays of different lengths cannot be columns of one `unnest`."""
    return "{" + ",".join(values) + "}"
