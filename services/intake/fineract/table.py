"""What each of Fineract's event types means to us: the one table. `docs/fineract.md` shows it to people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

_LOAN: Final = "org.apache.fineract.avro.loan.v1."
ACCOUNT: Final = _LOAN + "LoanAccountDataV1"
DELINQUENCY: Final = _LOAN + "LoanAccountDelinquencyRangeDataV1"
REPAYMENT_DUE: Final = _LOAN + "LoanRepaymentDueDataV1"
TRANSACTION: Final = _LOAN + "LoanTransactionDataV1"
ADJUSTMENT: Final = _LOAN + "LoanTransactionAdjustmentDataV1"
CHARGE: Final = _LOAN + "LoanChargeDataV1"
CHARGE_DELETED: Final = _LOAN + "LoanChargeDeletedV1"
TRANSFER: Final = _LOAN + "LoanOwnershipTransferDataV1"
MESSAGE: Final = "org.apache.fineract.avro.MessageV1"
BULK_MESSAGE: Final = "org.apache.fineract.avro.BulkMessagePayloadV1"
BULK_TYPE: Final = "BulkBusinessEvent"
_SUFFIX: Final = "BusinessEvent"


class Kind(Enum):
    """What an event is about. All of them tell the loan's complete state, too."""

    STATE = "state"
    MONEY = "money"
    ADJUSTMENT = "adjustment"
    CHARGE_APPLIED = "charge_applied"
    CHARGE_WAIVED = "charge_waived"
    PAUSE = "pause"
    STATUS = "status"
    REAGE = "reage"
    RESCHEDULE = "reschedule"
    WRITE_OFF = "write_off"
    CHARGE_OFF = "charge_off"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Meaning:
    """`schema`: full name of the payload's schema. `cause`: what our facts say as the reason."""

    kind: Kind
    schema: str
    cause: str


def _meanings(kind: Kind, schema: str, causes: dict[str, str]) -> dict[str, Meaning]:
    return {name + _SUFFIX: Meaning(kind, schema, cause) for name, cause in causes.items()}


MEANINGS: Final[dict[str, Meaning]] = {
    **_meanings(Kind.STATE, DELINQUENCY, {"LoanDelinquencyRangeChange": "delinquency_range_changed"}),
    **_meanings(
        Kind.STATE,
        REPAYMENT_DUE,
        {"LoanRepaymentDue": "repayment_due", "LoanRepaymentOverdue": "repayment_overdue"},
    ),
    **_meanings(
        Kind.STATE,
        ACCOUNT,
        {
            "LoanBalanceChanged": "balance_changed",
            "LoanAccountSnapshot": "snapshot",
            "LoanAccountCustomSnapshot": "snapshot",
            "LoanApplyOverdueCharge": "overdue_charge_applied",
            "LoanInterestRecalculation": "interest_recalculated",
            "LoanReAge": "reaged",
            "LoanUndoReAge": "reage_undone",
            "LoanReAmortize": "reamortized",
            "LoanUndoReAmortize": "reamortization_undone",
            "LoanScheduleVariationsAdded": "schedule_changed",
            "LoanScheduleVariationsDeleted": "schedule_changed",
            "LoanAcceptTransfer": "branch_changed",
        },
    ),
    **_meanings(
        Kind.STATE,
        TRANSACTION,
        {
            "LoanChargebackTransaction": "chargeback",
            "LoanUndoChargeOff": "charge_off_undone",
            "LoanUndoWrittenOff": "write_off_undone",
            "LoanWaiveInterest": "interest_waived",
            "LoanUndoReAgeTransaction": "reage_undone",
            "LoanReAmortizeTransaction": "reamortized",
            "LoanUndoReAmortizeTransaction": "reamortization_undone",
            "LoanCreditBalanceRefundPost": "credit_balance_refunded",
            "LoanDisbursalTransaction": "disbursed",
        },
    ),
    **_meanings(
        Kind.MONEY,
        TRANSACTION,
        {
            "LoanTransactionMakeRepaymentPost": "repayment",
            "LoanTransactionDownPaymentPost": "down_payment",
            "LoanTransactionRecoveryPaymentPost": "recovery",
            "LoanTransactionMerchantIssuedRefundPost": "merchant_refund",
            "LoanTransactionPayoutRefundPost": "payout_refund",
            "LoanTransactionGoodwillCreditPost": "goodwill",
            "LoanTransactionInterestPaymentWaiverPost": "interest_payment_waiver",
            "LoanTransactionInterestRefundPost": "interest_refund",
            "LoanChargePaymentPost": "charge_payment",
            "LoanChargeRefund": "charge_refund",
            "LoanChargeAdjustmentPost": "charge_adjustment",
            "LoanRefundPost": "refund",
            "LoanForeClosurePost": "foreclosure",
        },
    ),
    **_meanings(Kind.ADJUSTMENT, ADJUSTMENT, {"LoanAdjustTransaction": "transaction_adjusted"}),
    **_meanings(Kind.CHARGE_APPLIED, CHARGE, {"LoanAddCharge": "charge_applied", "LoanUpdateCharge": "charge_changed"}),
    **_meanings(Kind.CHARGE_WAIVED, CHARGE, {"LoanWaiveCharge": "charge_waived"}),
    **_meanings(Kind.STATE, CHARGE, {"LoanWaiveChargeUndo": "charge_waiver_undone"}),
    **_meanings(Kind.STATE, CHARGE_DELETED, {"LoanDeleteCharge": "charge_deleted"}),
    **_meanings(Kind.PAUSE, ACCOUNT, {"LoanAccountDelinquencyPauseChanged": "delinquency_pause_changed"}),
    **_meanings(
        Kind.STATUS,
        ACCOUNT,
        {"LoanStatusChanged": "status_changed", "LoanClose": "closed", "LoanCloseAsReschedule": "closed"},
    ),
    **_meanings(Kind.REAGE, TRANSACTION, {"LoanReAgeTransaction": "reaged"}),
    **_meanings(
        Kind.RESCHEDULE,
        ACCOUNT,
        {
            "LoanRescheduledDueAdjustSchedule": "rescheduled",
            "LoanRescheduledDueCalendarChange": "rescheduled",
            "LoanRescheduledDueHoliday": "rescheduled",
        },
    ),
    **_meanings(Kind.WRITE_OFF, TRANSACTION, {"LoanWrittenOffPost": "written_off"}),
    **_meanings(Kind.CHARGE_OFF, TRANSACTION, {"LoanChargeOffPost": "charged_off"}),
    **_meanings(Kind.TRANSFER, TRANSFER, {"LoanOwnershipTransfer": "ownership_transferred"}),
}

# Of no consequence for what is due or who may be contacted: announcements before the deed, applications, accruals.
IGNORED: Final[frozenset[str]] = frozenset(
    f"Loan{name}{_SUFFIX}"
    for name in (
        "Approved", "Created", "Disbursal", "InitiateTransfer", "RejectTransfer", "WithdrawTransfer", "Rejected",
        "ReassignOfficer", "RemoveOfficer", "UndoApproval", "UndoDisbursal", "UndoLastDisbursal",
        "UpdateDisbursementData", "AccrualTransactionCreated", "TransactionAccrualActivityPost",
        "TransactionAccrualActivityPre", "ChargeAdjustmentPre", "ChargeOffPre", "ChargePaymentPre",
        "CreditBalanceRefundPre", "ForeClosurePre", "RefundPre", "TransactionDownPaymentPre",
        "TransactionGoodwillCreditPre", "TransactionInterestPaymentWaiverPre", "TransactionInterestRefundPre",
        "TransactionMakeRepaymentPre", "TransactionMerchantIssuedRefundPre", "TransactionPayoutRefundPre",
        "TransactionRecoveryPaymentPre", "WrittenOffPre", "ProductCreate", "AccountsStayedLocked",
    )
)  # fmt: skip

# Facts that can only reduce contact are handled even while their person is parked.
REDUCING: Final = frozenset(name for name, meaning in MEANINGS.items() if meaning.kind is Kind.MONEY)


def concerns_loans(type_name: str) -> bool:
    """Whether an event that is in neither list could concern a loan; those of savings, shares and clients do not."""
    return type_name.startswith("Loan")
