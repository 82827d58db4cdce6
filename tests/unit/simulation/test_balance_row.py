"""What the simulated core says of a loan at its port agrees with what intake makes of the facts that it sends."""

from datetime import UTC, date, datetime
from uuid import UUID

from services.intake.core_port import CoreBalance
from services.intake.domain.comparison import compare
from services.intake.domain.hindsight import refold
from services.intake.domain.policy import DelinquencyPolicy
from simulation.core.ledger import Ledger
from simulation.portfolio.accounts import Account

DAY, AT = date(2026, 3, 2), datetime(2026, 3, 2, 1, tzinfo=UTC)


def differing(ledger: Ledger, reference: str, *facts: object) -> list[tuple[str, str | None, str | None]]:
    book = refold(UUID(int=1), "core-a", facts)  # type: ignore[arg-type]
    stated = CoreBalance.model_validate(ledger.balance_row(ledger.loans[reference]))
    return [tuple(one[1:]) for one in compare(book, {reference: stated}, ledger.business_date, DelinquencyPolicy())]  # type: ignore[misc]


def test_every_field_agrees_before_and_after_payments_and_their_reversal() -> None:
    account = Account(7, 50_000, (2, 2, 2, 2, 3), (9_000, 9_100, 9_200, 9_300, 9_400), (0, 0, 0, 0, 0))
    ledger = Ledger.of([account], as_of=DAY, seed=1)
    (loan,) = ledger.late_loans()
    reference = loan.person.loan_ref
    facts: list[object] = [ledger.overdue_statement(loan, at=AT)]
    assert differing(ledger, reference, *facts) == []
    for amount in (loan.dues[0].amount + 100, 200, loan.overdue - 300 - loan.dues[0].amount):
        facts.append(ledger.pay(reference, amount, at=AT))
        assert differing(ledger, reference, *facts) == []
    facts.append(ledger.reverse(reference, next(reversed(loan.payments)), at=AT))
    assert differing(ledger, reference, *facts) == []
