"""The books of a simulated Fineract: loans with schedules, and the JSON documents that its REST API makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

MINOR_PER_UNIT = 100
_SILENCE_SECONDS = 2.0


@dataclass
class Instalment:
    """One row of a schedule, minor units."""

    due_date: date
    amount: int
    paid: int = 0


@dataclass
class Booking:
    """One transaction. `kind` is the flag that Fineract sets for its type."""

    number: int
    kind: str
    booked_on: date
    amount: int
    reversed: bool = False
    parts: list[int] = field(default_factory=list)
    """What each instalment got of it."""


@dataclass
class Loan:
    """One loan and its client."""

    number: int
    client: int | None
    instalments: list[Instalment]
    currency: str = "CNY"
    product: int = 7
    status: str = "active"
    bookings: list[Booking] = field(default_factory=list)
    pauses: list[tuple[date, date]] = field(default_factory=list)
    charges: list[tuple[int, int]] = field(default_factory=list)
    guarantors: list[int] = field(default_factory=list)
    charged_off_on: date | None = None
    ended_on: date | None = None
    inexact: bool = False
    group: int | None = None


class Books:
    """All loans by number. Every change is made here first and told afterwards, as Fineract does."""

    def __init__(self) -> None:
        self.loans: dict[int, Loan] = {}
        self.clients: dict[int, dict[str, Any]] = {}
        """What is different of a client, as the API says it."""
        self.groups: dict[int, list[int]] = {}
        """The members of each group."""
        self.questions: list[str] = []
        self.failing: set[int] = set()
        self.silent: set[int] = set()
        self.is_away = False
        self._transactions = 500

    def lend(self, number: int, client: int | None, dues: Sequence[tuple[date, int]], **more: Any) -> Loan:
        """A new loan with `dues`: due date and amount in minor units."""
        loan = Loan(number, client, [Instalment(day, amount) for day, amount in dues], **more)
        self.loans[number] = loan
        return loan

    def book(self, number: int, amount: int, *, on: date, kind: str = "repayment") -> Booking:
        """Money for a loan, oldest instalment first."""
        self._transactions += 1
        booking = Booking(self._transactions, kind, on, amount)
        rest = amount
        for instalment in self.loans[number].instalments:
            part = min(rest, instalment.amount - instalment.paid)
            instalment.paid += part
            rest -= part
            booking.parts.append(part)
        self.loans[number].bookings.append(booking)
        return booking

    def reverse(self, number: int, transaction: int, *, replayed: bool = False) -> None:
        """Take money back. Fineract leaves a transaction that it has replayed anew out of its list."""
        loan = self.loans[number]
        booking = next(one for one in loan.bookings if one.number == transaction)
        for instalment, part in zip(loan.instalments, booking.parts, strict=False):
            instalment.paid -= part
        booking.reversed = True
        if replayed:
            loan.bookings.remove(booking)


def rest_api(books: Books) -> FastAPI:
    """The part of Fineract's REST API that intake asks, under `/api/v1`."""
    app = FastAPI(title="Simulated Fineract", docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def guarded(request: Request, call_next: Any) -> Response:
        books.questions.append(request.url.path)
        if books.is_away:
            return Response(status_code=503)
        if request.headers.get("Fineract-Platform-TenantId") != "default" or "authorization" not in request.headers:
            return Response(status_code=401)
        answer: Response = await call_next(request)
        return answer

    @app.get("/api/v1/loans/{number}")
    async def loan(number: int) -> dict[str, Any]:
        """A loan with its associations."""
        if number in books.failing:
            raise HTTPException(500)
        if number in books.silent:
            await asyncio.sleep(_SILENCE_SECONDS)
        if number not in books.loans:
            raise HTTPException(404)
        return loan_document(books.loans[number])

    @app.get("/api/v1/clients/{number}")
    async def client(number: int) -> dict[str, Any]:
        """A client."""
        return {
            "id": number, "displayName": f"Client {number}", "mobileNo": f"138{number:08d}", "active": True,
            "dateOfBirth": [1980, 5, 1], "status": {"id": 300, "code": "clientStatusType.active"}, "subStatus": {},
        } | books.clients.get(number, {})  # fmt: skip

    @app.get("/api/v1/groups/{number}")
    async def group(number: int) -> dict[str, Any]:
        """A group with its members."""
        if number not in books.groups:
            raise HTTPException(404)
        active = {"id": 300, "code": "clientStatusType.active"}
        members = [{"id": one, "status": active} | books.clients.get(one, {}) for one in books.groups[number]]
        return {"id": number, "name": f"Group {number}", "active": True, "clientMembers": members}

    @app.get("/api/v1/client/{number}/addresses")
    async def addresses(number: int) -> list[dict[str, Any]]:
        """The addresses of a client."""
        return [
            {"addressType": "home", "isActive": True, "addressLine1": f"Road {number}", "city": "Shanghai",
             "latitude": 31.2304, "longitude": 121.4737},
        ]  # fmt: skip

    return app


def loan_document(loan: Loan) -> dict[str, Any]:
    """A loan as Fineract writes it: dates as lists, amounts as decimals of major units."""
    outstanding = sum(one.amount - one.paid for one in loan.instalments)
    closed = loan.status != "active"
    return {
        "id": loan.number,
        "accountNo": f"{loan.number:09d}",
        **({} if loan.client is None else {"clientId": loan.client}),
        **({} if loan.group is None else {"group": {"id": loan.group, "name": f"Group {loan.group}"}}),
        "loanProductId": loan.product,
        "currency": {"code": loan.currency, "decimalPlaces": 2},
        "status": {"id": 300, "active": not closed, "closed": closed, loan.status: True},
        "timeline": {"actualDisbursementDate": [2024, 1, 5], "closedOnDate": _listed(loan.ended_on)},
        "summary": {"totalOutstanding": _major(outstanding)},
        "repaymentSchedule": {
            "periods": [
                {"dueDate": [2024, 1, 5], "principalDisbursed": 1000.0},
                *(_period(number, one) for number, one in enumerate(loan.instalments, 1)),
            ]
        },
        "transactions": [
            {"id": one.number, "type": {"id": 2, "code": one.kind, one.kind: True}, "date": _listed(one.booked_on),
             "amount": _major(one.amount) + (0.001 if loan.inexact else 0), "manuallyReversed": one.reversed}
            for one in loan.bookings
        ],
        "charges": [{"id": number, "amount": _major(amount), "amountWaived": 0} for number, amount in loan.charges],
        "delinquent": {
            "delinquencyPausePeriods": [
                {"active": True, "pausePeriodStart": _listed(first), "pausePeriodEnd": _listed(last)}
                for first, last in loan.pauses
            ]
        },
        "guarantors": [
            {"guarantorType": {"id": 1}, "entityId": number, "status": True} for number in loan.guarantors
        ],
        "chargedOff": loan.charged_off_on is not None,
    }  # fmt: skip


def _period(number: int, one: Instalment) -> dict[str, Any]:
    return {
        "period": number, "dueDate": _listed(one.due_date), "principalDue": _major(one.amount),
        "principalPaid": _major(one.paid), "totalOutstandingForPeriod": _major(one.amount - one.paid),
    }  # fmt: skip


def _major(minor: int) -> float:
    return minor / MINOR_PER_UNIT


def _listed(day: date | None) -> list[int] | None:
    return None if day is None else [day.year, day.month, day.day]
