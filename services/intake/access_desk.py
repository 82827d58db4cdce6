"""The desk of subject access in intake: everything kept about one person in plain words, and nobody else in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from services.intake import card_desk
from services.intake.card_desk import OpenedCard
from services.intake.domain.book import Loan
from services.intake.score_views import reasons_of
from services.intake.scoring.scorecard import TARGETS
from services.intake.store import access as store
from services.intake.store import scores
from services.intake.store.books import loan_of, movement_of
from shared.access.lists import AccessList, list_of
from shared.access.texts import LANGUAGES, Texts, access_texts
from shared.database import UnitOfWork
from shared.money import Money
from shared.security.callers import Caller
from shared.security.party_keys import PartyCipher

Row = dict[str, Any]
_PARTS: Final = ("principal", "interest", "fee", "penalty", "paid")
_PROFILE: Final = ("language", "time_zones", "jurisdiction", "cell", "history_known_from")
OTHERS: Final = frozenset({"obligors", "payer_ref"})
"""What facts say of other people: who else is bound, and whoever paid."""
LISTS: Final = (
    "card", "references", "identities", "person", "loans", "due", "core_holds", "payments", "facts", "differences",
    "cases", "buckets", "timeline", "steps", "holds", "permits", "scores", "second_model", "next_action",
    "choices", "card_readings", "write_backs", "tape_rows", "tape_rejections",
)  # fmt: skip
"""Names of the lists, in the order in which they are given."""


def intake_texts() -> Texts:
    """The sentences of intake."""
    return access_texts("services.intake")


async def give_lists(cipher: PartyCipher, uow: UnitOfWork, party_id: UUID, caller: Caller) -> list[AccessList]:
    """Every list of the person, who is locked. That the card was read is kept and told to compliance."""
    found = await store.load_lists(uow, party_id)
    opened = await card_desk.open_card(uow, cipher, party_id, caller=caller, purpose="access_request")
    own = {row["party_ref"] for row in found["references"]}
    loans = [(row["core"], loan_of(tuple(row.values()))) for row in found["loans"]]
    told = found | {
        "card": _card(opened if isinstance(opened, OpenedCard) else None),
        "person": [_person(row) for row in found["person"]],
        "loans": [_loan(core, loan, own) for core, loan in loans],
        "due": [due for _, loan in loans for due in _due(loan)],
        "core_holds": [hold for _, loan in loans for hold in _core_holds(loan)],
        "payments": [_payment(row) for row in found["payments"]],
        "facts": [_fact(row) for row in found["facts"]],
        "cases": [row | {"overdue": _totals(row["overdue_minor"])} for row in found["cases"]],
        "buckets": [row | {"overdue": _amount(row["currency"], row["overdue_minor"])} for row in found["buckets"]],
        "tape_rows": [row | {"balance": _amount(row["currency"], row["balance_minor"])} for row in found["tape_rows"]],
        "scores": await _scores(uow, party_id),
    }
    texts = intake_texts()
    return [list_of(name, told[name], texts) for name in LISTS]


def _card(opened: OpenedCard | None) -> list[Row]:
    if opened is None:
        return []
    card = opened.card
    rows: list[Row] = [{"kind": "name", "value": card.name, "source": None}]
    if card.born_on is not None:
        rows.append({"kind": "born_on", "value": card.born_on.isoformat(), "source": None})
    for one in card.contacts:
        rows.append({"kind": one.kind, "value": one.value, "source": one.source})
        if one.lat is not None and one.lon is not None:
            rows.append({"kind": "position", "value": f"{one.lat}, {one.lon}", "source": one.source})
    return rows


def _person(row: Row) -> Row:
    """What is known besides the card. The household is a digest of the address: that it is kept is told."""
    profile = json.loads(row["profile"]) if row["profile"] else {}
    shown = {name: profile.get(name) for name in _PROFILE}
    pauses = [f"{first} – {last}" for first, last, _ in json.loads(row["pauses"])]
    return shown | {
        "household": profile.get("household") is not None, "deceased_on": row["deceased_on"], "pauses": pauses,
        "parked_by": row["parked_by"],
    }  # fmt: skip


def _loan(core: str, loan: Loan, own: set[str]) -> Row:
    """A loan without the others whom it binds."""
    terms, stated, standing, place = loan.terms, loan.statement, loan.standing, loan.place
    newer = loan.newer_obligors
    obligors = newer.obligors if newer is not None else () if terms is None else terms.obligors
    role = next(((role, liability) for ref, role, liability in obligors if ref in own), (None, None))
    charged = None if standing is None else standing.charge_off
    told = None if standing is None else standing.balance
    disagreement = None if standing is None else standing.disagreement
    currency = None if terms is None else terms.currency
    balance = told.balance_minor if told is not None else None if stated is None else stated.balance_minor
    return {
        "core": core, "loan_ref": loan.loan_ref, "loan_id": loan.loan_id,
        "product": None if terms is None else terms.product_class,
        "creditor": None if terms is None else terms.creditor, "servicer": None if terms is None else terms.servicer,
        "originated_on": None if terms is None else terms.originated_on,
        "jurisdiction": None if terms is None else terms.jurisdiction,
        "flags": [] if terms is None else terms.flags, "role": role[0], "liability": role[1],
        "balance": _amount(currency, balance),
        "stated_on": None if stated is None else stated.position.business_date,
        "origin": None if stated is None else stated.origin,
        "bucket": None if place is None else place.state,
        "bucket_since": None if place is None else place.since,
        "ended": None if loan.ending is None else loan.ending.kind,
        "ended_on": None if loan.ending is None else loan.ending.on,
        "charged_off_on": None if charged is None else charged.on,
        "demanded_on": None if loan.demand is None else loan.demand.demanded_on,
        "demand_document": None if loan.demand is None else loan.demand.document_reference,
        "disagree": [] if disagreement is None else disagreement.fields,
    }  # fmt: skip


def _due(loan: Loan) -> Iterator[Row]:
    if loan.statement is None:
        return
    for item in loan.statement.items:
        parts = {name: _amount(loan.statement.currency, getattr(item, name)) for name in _PARTS}
        yield {"loan_ref": loan.loan_ref, "due_date": item.due_date, "kind": item.kind, **parts}


def _core_holds(loan: Loan) -> Iterator[Row]:
    for hold in loan.standing.holds if loan.standing is not None else ():
        first, last = hold.span or (None, None if hold.end is None else hold.end.ended_on)
        yield {
            "loan_ref": loan.loan_ref, "kind": hold.kind, "scope": hold.scope, "starts_on": first, "ends_on": last,
        }  # fmt: skip


def _payment(row: Row) -> Row:
    """Money that moved, without who paid it."""
    movement = movement_of(row)
    told, receipt = movement.record, movement.receipt
    return {
        "loan_ref": movement.loan_ref, "transaction_ref": movement.transaction_ref,
        "amount": _amount(told.currency, told.amount_minor), "kind": None if receipt is None else receipt.kind,
        "value_date": None if receipt is None else receipt.value_date, "booked_at": told.booked_at,
        "cleared": receipt is not None and receipt.cleared, "reversed": movement.is_reversed,
    }  # fmt: skip


def _fact(row: Row) -> Row:
    content: Mapping[str, Any] = json.loads(row["content"])
    shown = {name: value for name, value in content.items() if name not in OTHERS and name != "loan_ref"}
    details = [f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()]
    told = {name: value for name, value in row.items() if name != "content"}
    return told | {"loan_ref": content.get("loan_ref"), "details": details}


async def _scores(uow: UnitOfWork, party_id: UUID) -> list[Row]:
    """What the score says, with its reasons. Where it may not be shown there is no number to tell."""
    case_id = await store.case_of(uow, party_id)
    found = None if case_id is None else await scores.read(uow, case_id)
    if found is None or found.score is None:
        return []
    texts, score = intake_texts(), found.score
    rows = []
    for target in TARGETS:
        kept = score.answers.get(target)
        if kept is None:
            continue
        reasons = reasons_of(target, score)
        words = {
            language: "; ".join(
                f"{texts.code('characteristic', one.code.split(':')[0], language=language)}: {one.code.split(':')[1]}"
                f" ({one.points:+d})"
                for one in reasons
            )
            for language in LANGUAGES
        }
        rows.append(
            {
                "question": target, "percent": round(kept.probability * 100), "points": kept.points,
                "reasons": [one.code for one in reasons], "as_of": score.as_of, "scored_at": score.scored_at,
                "words": words,
            }
        )  # fmt: skip
    return rows


def _totals(text: str) -> list[str]:
    return [_amount(currency, minor) or "" for currency, minor in json.loads(text)]


def _amount(currency: str | None, minor: int | None) -> str | None:
    return None if currency is None or minor is None else str(Money(amount_minor=minor, currency=currency))
