"""What every catalogued event's data has in common."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MAX_TEXT = 2_000
MAX_ITEMS = 1_000

ModelT = TypeVar("ModelT", bound=BaseModel)
_new = object.__new__
# What `BaseModel` keeps in slots, set without looking them up at each instance.
_set_values, _set_fields_set, _set_extra, _set_private = (
    vars(BaseModel)[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)

Reference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
Cell = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{15}$",
        description="H3 cell of about 500 m edge; exact points never travel on topics.",
        examples=["88309a5915fffff"],
    ),
]


class EventData(BaseModel):
    """Data of one event. Producers build it whole; consumers ignore optional fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


def trusted(model: type[ModelT], values: dict[str, Any]) -> ModelT:
    """An instance of `model` over `values`, which must name all its fields and fit them: nothing is validated.

    A tenth of the cost of validation, for the event path: our own typed code has made the values, and the tests of the
    domain validate every event that they see.
    """
    made = _new(model)
    _set_values(made, values)
    _set_fields_set(made, _fields_of(model))
    _set_extra(made, None)
    _set_private(made, None)
    return made


@cache
def _fields_of(model: type[BaseModel]) -> set[str]:
    """Shared by all instances: frozen models never change it."""
    return set(model.model_fields)


class TimeWindow(BaseModel):
    """A half-open span [start, end) in business time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime = Field(description="First moment, RFC 3339.", examples=["2026-03-02T01:00:00Z"])
    end: AwareDatetime = Field(description="First moment after the span.", examples=["2026-03-02T03:00:00Z"])

    def covers(self, moment: datetime) -> bool:
        """Whether `moment` lies in the span."""
        return self.start <= moment < self.end


PartyId = Annotated[UUID, Field(description="Our id of the person who owes (UUIDv8 with the party's shard).")]
CaseId = Annotated[UUID, Field(description="The case: all overdue loans of one party.")]
VisitId = Annotated[UUID, Field(description="The planned or made visit.")]
PlanId = Annotated[UUID, Field(description="The repayment plan.")]
PermitId = Annotated[UUID, Field(description="The signed right to make one contact.")]
