"""What a sheet says, whatever its rows are about."""

from __future__ import annotations

from datetime import date

from services.intake.tapes.contract import AnyContract
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.people_reading import PeopleReading
from services.intake.tapes.sheets import Sheet
from services.intake.tapes.understanding import Understood, understand


def understood(sheet: Sheet, contract: AnyContract, business_date: date) -> Understood:
    """Read every place of every row. A row is refused by the first field, in the contract's order, that fails."""
    if isinstance(contract, PeopleContract):
        return PeopleReading(sheet, contract, business_date).read()
    return understand(sheet, contract, business_date)
