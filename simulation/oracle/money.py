"""Checks of money: every payment once, every plan adds up, our books are the core's books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from simulation.oracle.record import Record
from simulation.oracle.soundness import is_sound
from simulation.oracle.verdict import Breach, History, breach


def payments_are_posted_once(history: History) -> Iterator[Breach]:
    """Each payment (reversal) of the core is posted (taken back) once, in its exact amount; none is invented."""
    yield from _mirrored(history, "loan.payment_received", "case.payment_posted")
    yield from _mirrored(history, "loan.payment_reversed", "case.payment_reversed")


def _mirrored(history: History, said: str, concluded: str) -> Iterator[Breach]:
    told = {record.text("transaction_ref"): record for record in history.of(said) if is_sound(record)}
    posted: dict[str, Record] = {}
    for record in history.of(concluded):
        reference = record.text("transaction_ref")
        if reference in posted:
            yield breach("money_posted_twice", record, f"{reference} was posted at {posted[reference].place}")
        posted[reference] = record
        source = told.get(reference)
        if source is None:
            yield breach("money_invented", record, f"the core never said {reference}")
        elif record.data["amount"] != {"amount_minor": source.data["amount"], "currency": source.data["currency"]}:
            yield breach(
                "money_changed", record, f"{reference}: {record.data['amount']}, the core said {source.data['amount']}"
            )
    if history.complete:
        for reference, source in told.items():
            if reference not in posted:
                yield breach("money_lost", source, f"{reference} was never posted as {concluded}")


def plans_add_up(history: History) -> Iterator[Breach]:
    """A schedule sums to its total; matched money is money that came, counted once."""
    totals: dict[str, int] = {}
    for plan in history.of("plan.signed"):
        scheduled = sum(_minor(item["amount"]) for item in plan.data["instalments"])
        totals[plan.text("plan_id")] = _minor(plan.data["total"])
        if plan.data["instalments"] and scheduled != _minor(plan.data["total"]):
            yield breach("plan_sum", plan, f"instalments sum to {scheduled}, total {_minor(plan.data['total'])}")
    came = {
        record.text("transaction_ref"): _minor(record.data["amount"]) for record in history.of("case.payment_posted")
    }
    used: dict[str, int] = {}
    paid: dict[str, int] = {}
    for match in history.of("plan.payment_matched"):
        reference, plan_id, amount = match.text("transaction_ref"), match.text("plan_id"), _minor(match.data["amount"])
        used[reference] = used.get(reference, 0) + amount
        paid[plan_id] = paid.get(plan_id, 0) + amount
        if used[reference] > came.get(reference, 0):
            yield breach(
                "plan_money", match, f"{used[reference]} matched of {reference}, which brought {came.get(reference, 0)}"
            )
        if _minor(match.data["paid_total"]) != paid[plan_id]:
            yield breach("plan_money", match, f"says {_minor(match.data['paid_total'])} paid, matched {paid[plan_id]}")
        if plan_id not in totals:
            yield breach("plan_money", match, "money matched to a plan that nobody signed")


def books_agree(history: History) -> Iterator[Breach]:
    """What intake's API says each case owes is what the core's books say; neither has one that the other lacks."""
    if history.cases is None or history.core_overdue is None:
        return
    loans_of: dict[str, set[str]] = {}
    for record in history.of("case.opened", "case.updated"):
        loans_of.setdefault(record.text("case_id"), set()).update(
            loan["loan_ref"] for loan in record.data.get("loans", [])
        )
    now = max((record.arrived_at for record in history.records), default=datetime.min.replace(tzinfo=UTC))
    for case_id, overdue in history.cases.items():
        expected = sum(history.core_overdue.get(loan, 0) for loan in loans_of.get(case_id, ()))
        if overdue != expected:
            yield Breach("books", f"case {case_id}", f"intake says {overdue}, the core {expected}", now)
    covered = {loan for case_id in history.cases for loan in loans_of.get(case_id, ())}
    for loan, overdue in history.core_overdue.items():
        if overdue and loan not in covered:
            yield Breach("books", f"loan {loan}", f"the core says {overdue} overdue, intake has no case of it", now)


def plans_told_back(history: History) -> Iterator[Breach]:
    """Every plan that was signed is at the core exactly once, and none that was not."""
    if history.told_back is None or not history.complete:
        return
    known = Counter(item["reference"] for item in history.told_back if item["event"] == "plan.signed")
    for record in history.of("plan.signed"):
        plan_id = record.text("plan_id")
        count = known.pop(plan_id, 0)
        if count != 1:
            yield breach("plan_told_back", record, f"plan {plan_id} is at the core {count} times")
    now = max((record.arrived_at for record in history.records), default=datetime.min.replace(tzinfo=UTC))
    for plan_id in sorted(known):
        yield Breach("plan_told_back", f"plan {plan_id}", "is at the core, and nobody signed it", now)


def _minor(money: dict[str, Any]) -> int:
    return int(money["amount_minor"])
