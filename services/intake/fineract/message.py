"""One record of Fineract's topic, read: what happened to which loan. Never guesses: what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.intake.fineract.numbering import MOST_ITEMS
from services.intake.fineract.table import (
    ACCOUNT,
    ADJUSTMENT,
    BULK_MESSAGE,
    BULK_TYPE,
    CHARGE,
    IGNORED,
    MEANINGS,
    MESSAGE,
    TRANSACTION,
    Kind,
    Meaning,
    concerns_loans,
)
from services.intake.fineract.wire import WireError, WireReason, WriterSchemas, fingerprint_of

_AMOUNT_SCALE: Final = 8
_KEY_BYTES: Final = 8
_LONGEST_KEY: Final = 128
_SALES: Final = ("SALE", "INTERMEDIARYSALE")
_BUYBACK: Final = "BUYBACK"
# What is pending is told under the last of these.
_UNDONE_TRANSFERS: Final = ("DECLINED", "CANCELLED", "UNKNOWN")

MessageReason = Literal[
    "foreign_tenant", "bad_envelope", "bad_key", "unknown_type", "key_mismatch", "no_subject", "too_many_items"
]


class MessageError(ValueError):
    """A record that cannot be understood. `reason` is a closed code; `detail` quotes no personal value."""

    def __init__(self, reason: MessageReason | WireReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Transaction(Struct, frozen=True):
    """What a payload says of a transaction. `kinds`: the flags that are set. `amount`: major units, None: not said."""

    number: int
    kinds: frozenset[str]
    amount: Decimal | None
    happened_on: date | None


class Transfer(Struct, frozen=True):
    """A change of owner that has taken place: the loan was sold, or bought back."""

    is_sale: bool
    settled_on: date | None


class Change(Struct, frozen=True):
    """One event about the loan. `item`: its id in a bulk message, 0 in no bulk."""

    type: str
    meaning: Meaning
    item: int
    transaction: Transaction | None = None
    charge_id: int | None = None
    transfer: Transfer | None = None


class Message(Struct, frozen=True):
    """One record. `message_id` wraps at 2^32; `key` identifies it: Fineract's tenant and its idempotency key.
    `fingerprint`: of the writer schema of what it carries.

    A bulk message is about one loan, too: the one that its record's key names.
    """

    message_id: int
    key: str
    loan_id: int
    type: str
    raised_at: datetime
    business_date: date
    fingerprint: str
    changes: tuple[Change, ...]


class Reader(Struct, frozen=True):
    """Reads records of one Fineract tenant. `zone`: of times that name none."""

    schemas: WriterSchemas
    tenant: str
    zone: ZoneInfo

    def read(self, key: bytes | None, value: bytes | None) -> Message | None:
        """The message; None when it concerns no loan. Raises MessageError."""
        try:
            return self._read(key, value or b"")
        except WireError as error:
            raise MessageError(error.reason, error.detail) from error

    def _read(self, key: bytes | None, value: bytes) -> Message | None:
        envelope = self.schemas.read(value, name=MESSAGE)
        if envelope["tenantId"] != self.tenant:
            raise MessageError("foreign_tenant", "tenantId is not the configured one")
        name = str(envelope["type"])
        loan_id = loan_of_key(key)
        if name == BULK_TYPE:
            changes = self._bulk(envelope["data"], loan_id)
        else:
            change = self._change(name, envelope["data"], loan_id, item=0)
            changes = () if change is None else (change,)
        if not changes or loan_id is None:
            return None
        identity = f"{self.tenant}:{envelope['idempotencyKey']}"
        if not envelope["idempotencyKey"] or len(identity) > _LONGEST_KEY or not identity.isprintable():
            raise MessageError("bad_envelope", "idempotencyKey")
        try:
            raised_at = datetime.fromisoformat(envelope["createdAt"])
            business_date = date.fromisoformat(envelope["businessDate"])
        except ValueError as error:
            raise MessageError("bad_envelope", "createdAt or businessDate") from error
        if raised_at.tzinfo is None:
            raised_at = raised_at.replace(tzinfo=self.zone)
        return Message(
            int(envelope["id"]), identity, loan_id, name, raised_at.astimezone(UTC), business_date,
            fingerprint_of(envelope["data"]), changes,
        )  # fmt: skip

    def _bulk(self, raw: bytes, loan_id: int | None) -> tuple[Change, ...]:
        items = self.schemas.read(raw, name=BULK_MESSAGE)["datas"]
        if len(items) > MOST_ITEMS:
            raise MessageError("too_many_items", f"{len(items)}, at most {MOST_ITEMS}")
        found = [self._change(item["type"], item["data"], loan_id, item=item["id"]) for item in items]
        changes = tuple(change for change in found if change is not None)
        numbers = [change.item for change in changes]
        if len(set(numbers)) != len(numbers) or any(not 0 < number <= MOST_ITEMS for number in numbers):
            raise MessageError("bad_envelope", "ids of the items")
        return changes

    def _change(self, name: str, raw: bytes, loan_id: int | None, *, item: int) -> Change | None:
        meaning = MEANINGS.get(name)
        if meaning is None:
            if name in IGNORED or not concerns_loans(name):
                return None
            raise MessageError("unknown_type", name[:100])
        if loan_id is None:
            raise MessageError("bad_key", "the key is not a loan id of 8 bytes")
        payload = self.schemas.read(raw, name=meaning.schema)
        transaction = _transaction_of(meaning, payload)
        if _loan_named(meaning, payload) not in (None, loan_id):
            raise MessageError("key_mismatch", "the payload is about another loan than the key")
        if transaction is None and meaning.kind in (Kind.MONEY, Kind.ADJUSTMENT):
            raise MessageError("no_subject", "the payload names no transaction")
        transfer = _transfer_of(payload) if meaning.kind is Kind.TRANSFER else None
        if meaning.kind is Kind.TRANSFER and transfer is None:
            return None
        return Change(
            type=name,
            meaning=meaning,
            item=item,
            transaction=transaction,
            charge_id=payload.get("id") if meaning.schema == CHARGE else None,
            transfer=transfer,
        )


def loan_of_key(key: bytes | None) -> int | None:
    """The loan that a record's key names: 8 bytes, big-endian. None for any other key, and for -1 ('of nothing')."""
    if key is None or len(key) != _KEY_BYTES:
        return None
    number = int.from_bytes(key, signed=True)
    return number if number > 0 else None


def _loan_named(meaning: Meaning, payload: Mapping[str, Any]) -> int | None:
    if meaning.schema == ACCOUNT:
        loan_id = payload.get("id")
    elif meaning.schema == ADJUSTMENT:
        loan_id = (payload["transactionToAdjust"] or {}).get("loanId")
    else:
        loan_id = payload.get("loanId")
    return None if loan_id is None else int(loan_id)


def _transfer_of(payload: Mapping[str, Any]) -> Transfer | None:
    """The change of owner; None where nothing has changed hands: asked for, declined or cancelled."""
    status, kind = payload.get("transferStatus"), payload.get("type")
    if status in _UNDONE_TRANSFERS:
        return None
    if status != "EXECUTED" or kind not in (*_SALES, _BUYBACK):
        raise MessageError("no_subject", "transferStatus or type of the transfer")
    settled_on = payload.get("settlementDate")
    try:
        return Transfer(kind in _SALES, None if settled_on is None else date.fromisoformat(settled_on))
    except ValueError as error:
        raise MessageError("bad_envelope", "settlementDate") from error


def _transaction_of(meaning: Meaning, payload: Mapping[str, Any]) -> Transaction | None:
    if meaning.schema == ADJUSTMENT:
        payload = payload["transactionToAdjust"] or {}
    elif meaning.schema != TRANSACTION:
        return None
    number, amount = payload.get("id"), payload.get("amount")
    if number is None:
        return None
    kind: Mapping[str, Any] = payload.get("type") or {}
    try:
        happened_on = None if payload.get("date") is None else date.fromisoformat(payload["date"])
    except ValueError as error:
        raise MessageError("bad_envelope", "date of the transaction") from error
    return Transaction(
        number=number,
        kinds=frozenset(name for name, is_set in kind.items() if is_set is True),
        amount=None if amount is None else _decimal(amount),
        happened_on=happened_on,
    )


def _decimal(raw: bytes | Decimal) -> Decimal:
    """A decimal of Avro: an unscaled number, big-endian. A schema that names the logical type reads it itself."""
    if isinstance(raw, Decimal):
        return raw
    return Decimal(int.from_bytes(raw, signed=True)).scaleb(-_AMOUNT_SCALE)
