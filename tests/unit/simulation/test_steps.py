"""The history that the simulated bank attests."""

from datetime import date

from services.intake.strategy_schemas import TakenSteps
from simulation.core.ledger import Ledger
from simulation.portfolio.fitted import load_fitted
from simulation.portfolio.generate import generate_accounts
from simulation.steps import earlier_steps

DAY = date(2026, 3, 2)


def test_history_is_what_intake_takes_and_lies_within_the_arrears() -> None:
    ledger = Ledger.of(generate_accounts(load_fitted(), count=400, seed=1), as_of=DAY, seed=1)
    oldest = {loan.person.party_ref: loan.oldest_due_date for loan in ledger.late_loans()}
    batches = [TakenSteps.model_validate({"items": items}).items for items in earlier_steps(ledger, seed=1)]
    steps = [step for items in batches for step in items]

    assert len(batches) > 1
    assert all((due := oldest[step.party_ref]) is not None and due < step.done_at.date() < DAY for step in steps)
    assert len({(step.party_ref, step.step) for step in steps}) == len(steps)
    assert len({step.party_ref for step in steps}) * 4 - len(steps) > 0
