"""Fineract's external events as bytes on Kafka. Written for itself: it shares no schema with what reads them."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

from fastavro import schemaless_writer
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

_ROOT: Final = "org.apache.fineract.avro."
_LOAN: Final = _ROOT + "loan.v1."
_MARKER: Final = b"\xc3\x01"
# Of these, only the first fields are written here, and then bytes that no reader may need.
ACCOUNT_PRINTS: Final = ("693c815c46ff3580", "3864f8b965a46435", "ef89e3deed9f87b7")
TRANSACTION_PRINT: Final = "4c3cc1b621591623"
ADJUSTMENT_PRINT: Final = "5361430f984ea611"
CHARGE_PRINT: Final = "bf7e956b0f6107ea"
_REST: Final = b"\x00" * 40
_FLAGS_BEFORE: Final = ("disbursement", "repaymentAtDisbursement")
_FLAGS: Final = (
    *_FLAGS_BEFORE, "repayment", "merchantIssuedRefund", "payoutRefund", "goodwillCredit", "chargeRefund", "contra",
    "waiveInterest", "waiveCharges", "accrual", "writeOff", "recoveryRepayment", "initiateTransfer", "approveTransfer",
    "withdrawTransfer", "rejectTransfer", "chargePayment", "refund", "refundForActiveLoans", "creditBalanceRefund",
    "chargeback",
)  # fmt: skip


def _record(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def _maybe(kind: Any) -> list[Any]:
    return ["null", kind]


_TEXT: Final = "string"
_AMOUNTS: Final = ("totalAmount", "principalAmount", "interestAmount", "feeAmount", "penaltyAmount")
_CURRENCY: Final = _record(
    _ROOT + "generic.v1.CurrencyDataV1", code=_maybe(_TEXT), name=_maybe(_TEXT), decimalPlaces=_maybe("int"),
    inMultiplesOf=_maybe("int"), displaySymbol=_maybe(_TEXT), nameCode=_maybe(_TEXT), displayLabel=_maybe(_TEXT),
)  # fmt: skip
_MESSAGE: Final = _record(
    _ROOT + "MessageV1", id="int", source=_TEXT, type=_TEXT, category=_TEXT, createdAt=_TEXT, businessDate=_TEXT,
    tenantId=_TEXT, idempotencyKey=_TEXT, dataschema=_TEXT, data="bytes",
)  # fmt: skip
_BULK: Final = _record(
    _ROOT + "BulkMessagePayloadV1",
    datas={
        "type": "array",
        "items": _record(
            _ROOT + "BulkMessageItemV1", id="int", type=_TEXT, category=_TEXT, dataschema=_TEXT, data="bytes"
        ),
    },
)


def delinquency_schema(*, nullable_buckets: bool) -> dict[str, Any]:
    """`LoanAccountDelinquencyRangeDataV1` as one release writes it, or as the other one does under the same name."""
    charge = _record(_LOAN + "LoanChargeDataRangeViewV1", id="long", name=_TEXT, currency=_CURRENCY, amount="bytes")
    bucket = _record(
        _LOAN + "LoanInstallmentDelinquencyBucketDataV1",
        delinquencyRange=_maybe(_LOAN + "DelinquencyRangeDataV1"), amount=_LOAN + "LoanAmountDataV1",
        charges={"type": "array", "items": _LOAN + "LoanChargeDataRangeViewV1"},
        currency=_ROOT + "generic.v1.CurrencyDataV1",
    )  # fmt: skip
    buckets = {"type": "array", "items": bucket}
    return _record(
        _LOAN + "LoanAccountDelinquencyRangeDataV1",
        loanId="long", loanAccountNo=_TEXT, loanExternalId=_maybe(_TEXT),
        delinquencyRange=_maybe(
            _record(
                _LOAN + "DelinquencyRangeDataV1", id=_maybe("long"), classification=_maybe(_TEXT),
                minimumAgeDays=_maybe("int"), maximumAgeDays=_maybe("int"),
            )
        ),
        charges={"type": "array", "items": charge}, currency=_ROOT + "generic.v1.CurrencyDataV1",
        amount=_record(_LOAN + "LoanAmountDataV1", **dict.fromkeys(_AMOUNTS, _maybe("bytes"))),
        delinquentDate=_maybe(_TEXT), installmentDelinquencyBuckets=_maybe(buckets) if nullable_buckets else buckets,
    )  # fmt: skip


def transfer_schema(*, with_groups: bool) -> dict[str, Any]:
    """`LoanOwnershipTransferDataV1` as release 1.9.0 writes it, or with what came later under the same name."""
    charge = _record(_LOAN + "UnpaidChargeDataV1", chargeId="long", chargeName=_TEXT, outstandingAmount="bytes")
    group = {"transferExternalGroupId": _maybe(_TEXT)} if with_groups else {}
    custom = {"customData": _maybe({"type": "map", "values": "bytes"})} if with_groups else {}
    amounts = (
        "totalOutstandingBalanceAmount", "outstandingPrincipalPortion", "outstandingFeePortion",
        "outstandingPenaltyPortion", "outstandingInterestPortion", "overPaymentPortion", "unrecognizedIncomePortion",
    )  # fmt: skip
    return _record(
        _LOAN + "LoanOwnershipTransferDataV1", loanId="long", loanExternalId=_maybe(_TEXT), type=_maybe(_TEXT),
        transferExternalId=_maybe(_TEXT), **group, submittedDate=_maybe(_TEXT), assetOwnerExternalId=_maybe(_TEXT),
        currency=_maybe(_CURRENCY), **dict.fromkeys(amounts, _maybe("bytes")),
        unpaidChargeData=_maybe({"type": "array", "items": charge}), transferStatus=_maybe(_TEXT),
        transferStatusReason=_maybe(_TEXT), settlementDate=_maybe(_TEXT), purchasePriceRatio=_maybe(_TEXT), **custom,
    )  # fmt: skip


_REPAYMENT_DUE: Final = _record(
    _LOAN + "LoanRepaymentDueDataV1",
    loanId=["long"], loanAccountNo=[_TEXT], loanExternalId=_maybe(_TEXT), currency=_maybe(_CURRENCY),
    installment=[
        _record(
            _LOAN + "RepaymentDueDataV1", installmentNumber=_maybe("int"), installmentDueDate=_maybe(_TEXT),
            principalAmountDue=_maybe("bytes"), interestAmountDue=_maybe("bytes"),
            feeChargeAmountDue=_maybe("bytes"), penaltyChargeAmountDue=_maybe("bytes"), totalAmountDue=_maybe("bytes"),
        )
    ],
    pastDueAmount=_maybe(_record(_LOAN + "RepaymentPastDueDataV1", **dict.fromkeys(_AMOUNTS, _maybe("bytes")))),
)  # fmt: skip


def single_object(schema: dict[str, Any], value: dict[str, Any]) -> bytes:
    """A value in single-object encoding."""
    parsed = parse_schema(schema)
    out = io.BytesIO()
    out.write(_MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO")))
    schemaless_writer(out, parsed, value)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Payload:
    """The inner bytes of an event, and the schema's name that the message gives for them."""

    type: str
    schema: str
    data: bytes


def delinquency_changed(
    loan: int, *, days: int | None, account: str = "000000001", nullable_buckets: bool = True
) -> Payload:
    """`days`: the least age of the range; None: the loan has left delinquency."""
    amounts = {name: _decimal(Decimal("100.00")) for name in _AMOUNTS}
    range_ = None if days is None else {"id": 1, "classification": "late", "minimumAgeDays": days}
    value = {
        "loanId": loan, "loanAccountNo": account, "loanExternalId": None, "delinquencyRange": range_, "charges": [],
        "currency": {"code": "CNY"}, "amount": amounts, "delinquentDate": None, "installmentDelinquencyBuckets": [],
    }  # fmt: skip
    data = single_object(delinquency_schema(nullable_buckets=nullable_buckets), value)
    return Payload("LoanDelinquencyRangeChangeBusinessEvent", _LOAN + "LoanAccountDelinquencyRangeDataV1", data)


def repayment_due(loan: int, due_date: date, *, overdue: bool = False) -> Payload:
    """An instalment falls due, or has."""
    name = "LoanRepaymentOverdueBusinessEvent" if overdue else "LoanRepaymentDueBusinessEvent"
    value = {
        "loanId": loan, "loanAccountNo": "000000001", "loanExternalId": None, "currency": None,
        "installment": {"installmentNumber": 1, "installmentDueDate": due_date.isoformat()}, "pastDueAmount": None,
    }  # fmt: skip
    return Payload(name, _LOAN + "LoanRepaymentDueDataV1", single_object(_REPAYMENT_DUE, value))


def loan_event(name: str, loan: int, *, mark: str = ACCOUNT_PRINTS[1]) -> Payload:
    """An event that carries the whole account, `name` without its ending."""
    return Payload(name + "BusinessEvent", _LOAN + "LoanAccountDataV1", _leading(mark, _long(loan)))


def transaction_event(name: str, loan: int, number: int, kind: str, *, on: date, amount: Decimal) -> Payload:
    """An event about a transaction."""
    body = _transaction(loan, number, kind, on=on, amount=amount)
    return Payload(name + "BusinessEvent", _LOAN + "LoanTransactionDataV1", _leading(TRANSACTION_PRINT, body))


def adjusted(loan: int, number: int, kind: str, *, on: date, amount: Decimal) -> Payload:
    """A transaction is taken back; what takes its place stands behind it, where only the books are read."""
    body = b"\x02" + _transaction(loan, number, kind, on=on, amount=amount)
    name = _LOAN + "LoanTransactionAdjustmentDataV1"
    return Payload("LoanAdjustTransactionBusinessEvent", name, _leading(ADJUSTMENT_PRINT, body))


def charge_event(name: str, charge: int) -> Payload:
    """An event about a charge; its loan stands in the key."""
    return Payload(name + "BusinessEvent", _LOAN + "LoanChargeDataV1", _leading(CHARGE_PRINT, _long(charge)))


def transferred(
    loan: int, *, kind: str = "SALE", status: str = "EXECUTED", on: date, with_groups: bool = False
) -> Payload:  # fmt: skip
    """The loan's owner changes, or does not."""
    value = {
        "loanId": loan, "type": kind, "transferExternalId": "t-1", "transferExternalGroupId": None,
        "submittedDate": on.isoformat(), "assetOwnerExternalId": "owner-1", "currency": {"code": "CNY"},
        "totalOutstandingBalanceAmount": _decimal(Decimal("100.00")),
        "unpaidChargeData": [{"chargeId": 1, "chargeName": "late", "outstandingAmount": _decimal(Decimal(5))}],
        "transferStatus": status, "settlementDate": on.isoformat(), "purchasePriceRatio": "0.9", "customData": {},
    }  # fmt: skip
    schema = transfer_schema(with_groups=with_groups)
    return Payload("LoanOwnershipTransferBusinessEvent", schema["name"], single_object(schema, value))


class Sender:
    """Gives messages their numbers, as one Fineract process does: a new `source` at each start."""

    def __init__(self, *, first: int = 1, business_date: date, tenant: str = "default") -> None:
        self._numbers = itertools.count(first)
        self._source = str(uuid4())
        self.business_date = business_date
        self._tenant = tenant

    def message(
        self, loan: int, payload: Payload, *, key: str = "", at: str = "2026-03-10T01:00:00.123456"
    ) -> tuple[bytes, bytes]:
        """Key and value of one record. `key`: its idempotency key; empty: a new one."""
        return self._sealed(loan, payload.type, payload.schema, payload.data, key, at)

    def bulk(self, loan: int, payloads: list[Payload], *, key: str = "") -> tuple[bytes, bytes]:
        """Several events of one loan as one record."""
        items = [
            {"id": place, "type": one.type, "category": "nocategory", "dataschema": one.schema, "data": one.data}
            for place, one in enumerate(payloads, 1)
        ]
        data = single_object(_BULK, {"datas": items})
        return self._sealed(loan, "BulkBusinessEvent", _BULK["name"], data, key, datetime.now(UTC).isoformat()[:26])

    def _sealed(self, loan: int, name: str, schema: str, data: bytes, key: str, at: str) -> tuple[bytes, bytes]:
        number = next(self._numbers)
        value = {
            "id": (number + (1 << 31)) % (1 << 32) - (1 << 31), "source": self._source, "type": name,
            "category": "Loan", "createdAt": at, "businessDate": self.business_date.isoformat(),
            "tenantId": self._tenant, "idempotencyKey": key or str(uuid4()), "dataschema": schema, "data": data,
        }  # fmt: skip
        return loan.to_bytes(8, signed=True), single_object(_MESSAGE, value)


def _leading(mark: str, body: bytes) -> bytes:
    return _MARKER + bytes.fromhex(mark) + body + _REST


def _transaction(loan: int, number: int, kind: str, *, on: date, amount: Decimal) -> bytes:
    null, present = b"\x00", b"\x02"
    enum = present + null * 3 + b"".join(present + (b"\x01" if flag == kind else b"\x00") for flag in _FLAGS)
    head = _long(number) + _long(loan) + null + null + null + enum
    return head + present + _bytes(on.isoformat().encode()) + null + null + present + _bytes(_decimal(amount))


def _long(number: int) -> bytes:
    """The second branch of ["null", "long"]."""
    return b"\x02" + _varint(number)


def _bytes(raw: bytes) -> bytes:
    return _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    """Avro's zigzag numbers."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def _decimal(amount: Decimal) -> bytes:
    """A decimal of scale 8: the unscaled number, big-endian."""
    number = int(amount.scaleb(8))
    return number.to_bytes(number.bit_length() // 8 + 1, signed=True)
