"""The filters of lists of cases, as query parameters."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Query

from services.intake.schemas import Status
from services.intake.store.case_lists import CaseFilter
from shared.events.case import Bucket
from shared.moments import Moment
from shared.money import known_currency
from shared.web.problems import FieldError, InvalidRequest

_Days = Annotated[int | None, Query(ge=0, le=40_000, description="Contractual days past due, at least or at most.")]
_Minor = Annotated[
    int | None, Query(ge=0, le=2**62, description="Overdue in `currency`, minor units, at least or at most.")
]


def case_filter(
    status: Annotated[Status | None, Query(description="Only cases in this status.")] = None,
    bucket: Annotated[Bucket | None, Query(description="Only cases in this bucket.")] = None,
    days_from: _Days = None,
    days_to: _Days = None,
    currency: Annotated[
        str | None,
        Query(pattern=r"^[A-Z]{3}$", description="Only cases with something overdue in this currency, ISO 4217."),
    ] = None,
    overdue_from: _Minor = None,
    overdue_to: _Minor = None,
    product_class: Annotated[
        str | None,
        Query(pattern=r"^[a-z_]{1,32}$", description="Only cases with a loan of this class."),
    ] = None,
    jurisdiction: Annotated[
        str | None,
        Query(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="Only cases under the law of this place."),
    ] = None,
    suspended: Annotated[bool | None, Query(description="Only cases on which nobody may act, or only others.")] = None,
    suspended_for: Annotated[
        str | None,
        Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]+$", description="Only cases suspended for this cause."),
    ] = None,
    held: Annotated[bool | None, Query(description="Only cases of people known by reference alone, or others.")] = None,
    core: Annotated[
        str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]+$", description="Only cases of this core.")
    ] = None,
    opened_since: Annotated[Moment | None, Query(description="Only opened then or later, business time.")] = None,
    as_of_since: Annotated[
        date | None, Query(description="Only whose state is of this business date or a later one.")
    ] = None,
    changed_since: Annotated[
        Moment | None,
        Query(
            description="Only with an event on topic `case` recorded then or later, real time. An event is recorded "
            "with the beginning of its transaction, so ask from 2 minutes before your last time. One more day past due "
            "within a bucket is no event: it follows from `as_of`."
        ),
    ] = None,
) -> CaseFilter:
    """FastAPI dependency. Raises InvalidRequest when parts of the filter contradict one another."""
    which = CaseFilter(
        status=status, bucket=bucket, days_from=days_from, days_to=days_to, currency=currency,
        overdue_from=overdue_from, overdue_to=overdue_to, product_class=product_class, jurisdiction=jurisdiction,
        suspended=suspended, suspended_for=suspended_for, held=held, core=core, opened_since=opened_since,
        as_of_since=as_of_since, changed_since=changed_since,
    )  # fmt: skip
    _refuse_contradictions(which)
    return which


def _refuse_contradictions(which: CaseFilter) -> None:
    if which.currency is None and (which.overdue_from is not None or which.overdue_to is not None):
        raise _refusal("currency", "an amount is of a currency")
    if which.currency is not None:
        try:
            known_currency(which.currency)
        except ValueError as error:
            raise _refusal("currency", "is not a currency of ISO 4217") from error
    ends = (("days_to", which.days_from, which.days_to), ("overdue_to", which.overdue_from, which.overdue_to))
    for name, low, high in ends:
        if low is not None and high is not None and high < low:
            raise _refusal(name, "lies below the other end")
    if which.suspended is False and which.suspended_for is not None:
        raise _refusal("suspended", "contradicts suspended_for")


def _refusal(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError("query", f"/{name}", "contradicts", detail)])
