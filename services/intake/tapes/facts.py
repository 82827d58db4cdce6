"""From an understood row to the fact it states, at the tape's watermark. The same events as from the topic."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from services.intake.core_events import core_event
from services.intake.tapes.contract import PARTS, AnyContract, Contract
from services.intake.tapes.understanding import Understood
from shared.events import Event
from shared.events.base import EventData, trusted
from shared.events.loan import DueItem, LoanCured, LoanOverdue, Obligor

CAUSE: Final = "tape"


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
        if not field.is_required()
    }


_OVERDUE, _CURED = _defaults(LoanOverdue), _defaults(LoanCured)


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that the facts are from, and where it stands among the core's facts (`number` None: each row says)."""

    tenant: str
    contract: AnyContract
    file_id: UUID
    business_date: date
    watermark: datetime
    number: int | None
    learned_at: datetime

    def number_of(self, understood: Understood, row: int) -> int:
        """The row's place among the core's facts of the business date."""
        return int(understood.numbers["core_sequence"][row]) if self.number is None else self.number

    @abstractmethod
    def stated(self, understood: Understood, row: int, *, is_overdue: bool) -> Event[EventData]:
        """The fact that the row states."""

    def _event(self, name: str, data: EventData, identity: str) -> Event[EventData]:
        return core_event(
            name,
            data,
            tenant=self.tenant,
            source=f"{self.contract.core}/tapes/{self.contract.feed}",
            identity=identity,
            time=self.watermark,
            learned_at=self.learned_at,
            correlation_id=str(self.file_id),
        )


@dataclass(frozen=True, slots=True)
class LoanOrigin(Origin):
    """A file of loans."""

    contract: Contract

    def stated(self, understood: Understood, row: int, *, is_overdue: bool) -> Event[EventData]:
        """The row as `loan.overdue` or `loan.cured`."""
        return self.overdue(understood, row) if is_overdue else self.cured(understood, row)

    def overdue(self, understood: Understood, row: int) -> Event[EventData]:
        """The row as `loan.overdue`."""
        flag = understood.text("flag", row) if "flag" in understood.texts else ""
        party_ref = understood.reference("party_ref", row)
        values = {
            **_OVERDUE,
            **self._loan(understood, row, party_ref),
            "obligors": self._obligors(understood, row, party_ref),
            "value_date": self.business_date,
            "booked_at": self.watermark,
            "cause": CAUSE,
            "product_class": understood.text("product_class", row),
            "creditor": understood.text("creditor", row),
            "servicer": understood.text("servicer", row),
            "originated_on": understood.dates["originated_on"].at(row),
            "jurisdiction": understood.text("jurisdiction", row),
            "balance": int(understood.minor["balance"][row]),
            "due_items": self._due_items(understood, row),
            "flags": [flag] if flag else [],
        }
        identity = f"{self.file_id}:{understood.sheet.numbers[row]}"
        return self._event("loan.overdue", trusted(LoanOverdue, values), identity)

    def cured(self, understood: Understood, row: int) -> Event[EventData]:
        """The row as `loan.cured`."""
        party_ref = understood.reference("party_ref", row)
        values = {
            **_CURED,
            **self._loan(understood, row, party_ref),
            "balance": int(understood.minor["balance"][row]),
        }
        identity = f"{self.file_id}:{understood.sheet.numbers[row]}"
        return self._event("loan.cured", trusted(LoanCured, values), identity)

    def gone(
        self, *, loan_ref: str, party_ref: str, currency: str, balance_minor: int, number: int
    ) -> Event[EventData]:
        """A loan that the file does not name any more as `loan.cured`, with the balance that was stated last."""
        data = trusted(
            LoanCured,
            _CURED | self._identity(loan_ref, party_ref, currency, number) | {"balance": balance_minor},
        )
        return self._event("loan.cured", data, f"{self.file_id}:{loan_ref}")

    def _loan(self, understood: Understood, row: int, party_ref: str) -> dict[str, Any]:
        return self._identity(
            understood.reference("loan_ref", row),
            party_ref,
            understood.text("currency", row),
            self.number_of(understood, row),
        ) | {
            "core_dpd": understood.number("core_dpd", row),
            "core_oldest_due_date": understood.day("core_oldest_due_date", row),
        }

    def _identity(self, loan_ref: str, party_ref: str, currency: str, number: int) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "core": self.contract.core,
            "loan_ref": loan_ref,
            "party_ref": party_ref,
            "business_date": self.business_date,
            "core_sequence": number,
            "currency": currency,
            "feed": self.contract.feed,
            "schema_fingerprint": self.contract.fingerprint,
        }

    def _obligors(self, understood: Understood, row: int, party_ref: str) -> list[Obligor]:
        found = [trusted(Obligor, {"party_ref": party_ref, "role": "borrower", "liability": "full"})]
        for number in range(len(self.contract.obligor)):
            prefix = f"obligor.{number}."
            if reference := understood.reference(prefix + "party_ref", row):
                role, liability = understood.text(prefix + "role", row), understood.text(prefix + "liability", row)
                found.append(trusted(Obligor, {"party_ref": reference, "role": role, "liability": liability}))
        return found

    def _due_items(self, understood: Understood, row: int) -> list[DueItem]:
        found = []
        for number in range(len(self.contract.due_item)):
            prefix = f"due_item.{number}."
            due_date = understood.dates[prefix + "due_date"].at(row)
            if due_date is None or due_date == date.max:
                continue
            columns = ((part, understood.minor.get(prefix + part)) for part in PARTS)
            parts: dict[str, int] = {part: 0 if column is None else int(column[row]) for part, column in columns}
            if any(parts.values()):
                found.append(
                    trusted(DueItem, {"kind": understood.text(prefix + "kind", row), "due_date": due_date, **parts})
                )
        return found
