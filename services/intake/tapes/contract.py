"""What a bank agrees for a feed: how its files are written, what they claim, and what may be concluded from them.

A contract is a TOML file, one version each, approved by two people before a file is loaded under it (`approvals`).
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import ClassVar, Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from services.intake.tapes.agreement import Agreement, Amounts, At, Claimed, ContractError, Strict
from services.intake.tapes.people_contract import PeopleContract

Part = Literal["principal", "interest", "fee", "penalty", "paid"]
PARTS: Final[tuple[Part, ...]] = ("principal", "interest", "fee", "penalty", "paid")
# They change every night without anything having happened; the others name the state of a loan or a person.
VOLATILE: Final = frozenset({"core_sequence", "business_date", "core_dpd"})


class Content(Claimed):
    """What a file claims, and what may be concluded from what it does not say."""

    population: Literal["all", "delinquent"] = Field(description="Which loans a full file holds.")
    vanished: Literal["cured", "kept"] = Field(
        description="A loan that was overdue and is no longer in a full file: cured, or left as it was."
    )
    removed: Literal["cured", "kept"] = Field("kept", description="What the operation `remove` of a delta means.")


class Fields(Strict):
    """Where the fields of a loan stand."""

    loan_ref: At
    party_ref: At
    currency: At
    balance: At
    product_class: At
    creditor: At
    servicer: At
    originated_on: At
    jurisdiction: At
    flag: At | None = None
    core_sequence: At | None = None
    business_date: At | None = None
    core_dpd: At | None = None
    core_oldest_due_date: At | None = None
    operation: At | None = Field(None, description="Deltas: `put` or `remove`, by code list.")


class DueItemFields(Strict):
    """Where one due item stands; an empty due date with nothing unpaid means that there is none."""

    kind: At
    due_date: At
    principal: At
    interest: At | None = None
    fee: At | None = None
    penalty: At | None = None
    paid: At | None = None


class ObligorFields(Strict):
    """Where somebody else who is bound by the loan stands; an empty reference means nobody."""

    party_ref: At
    role: At
    liability: At


class Contract(Agreement):
    """One version of what a bank and we agree for a feed of loans."""

    subject: ClassVar[str] = "loan_ref"

    content: Content
    amounts: Amounts = Amounts()
    fields: Fields
    due_item: tuple[DueItemFields, ...] = Field(min_length=1, max_length=24)
    obligor: tuple[ObligorFields, ...] = Field((), max_length=8)

    @property
    def cures_the_vanished(self) -> bool:
        """Whether a loan that is not named any more is cured."""
        return self.content.vanished == "cured"

    def groups(self) -> list[tuple[str, BaseModel]]:
        """The loan's own places, then those of its due items and of further obligors."""
        found: list[tuple[str, BaseModel]] = [("", self.fields)]
        found += [(f"due_item.{number}.", item) for number, item in enumerate(self.due_item)]
        return found + [(f"obligor.{number}.", one) for number, one in enumerate(self.obligor)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.content.change == "delta") != (self.fields.operation is not None):
            raise ValueError("a delta, and nothing else, has the field `operation`")
        if self.content.change == "delta" and self.content.vanished != "kept":
            raise ValueError("from what a delta does not say nothing can be concluded")
        return self


AnyContract = Contract | PeopleContract


def read_contract(content: bytes) -> AnyContract:
    """The contract in a TOML file: of loans, or of people where it has a table `person`. Raises ContractError."""
    try:
        document = tomllib.loads(content.decode())
        return (PeopleContract if "person" in document else Contract).model_validate(document)
    except ValueError as error:
        raise ContractError(str(error)) from error


def contract_hash(content: bytes) -> str:
    """SHA-256 of the file: what two people approve."""
    return hashlib.sha256(content).hexdigest()
