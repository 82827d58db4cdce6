"""What each event of a bank core does: to the balance, to the days past due, to the case, to the right of contact."""

from __future__ import annotations

from typing import Final, NamedTuple


class Effect(NamedTuple):
    """One row of the table in the catalogue page."""

    balance: str
    days_past_due: str
    case: str
    contact: str


_LESS: Final = "planned contact is recalled when less is overdue, cause named"
_STATED: Final = "as stated"
_COUNTED: Final = "from the due items stated"
_FROM_ITEMS: Final = "updated, or cured when nothing is past due"
_LEAVES: Final = "the loan leaves it; closed when it was the last"
_NONE: Final = "none"

EFFECTS: Final[dict[str, Effect]] = {
    "loan.overdue": Effect(_STATED, _COUNTED, "opened or updated", "by its flags only: they suspend, or stop"),
    "loan.due_items_changed": Effect(_STATED, _COUNTED, _FROM_ITEMS, _LESS),
    "loan.payment_received": Effect(
        "lower once cleared", "from the core's allocation; none while uncleared or not allocated", _FROM_ITEMS,
        "planned contact is recalled; suspended while the money can bounce or is not allocated",
    ),
    "loan.payment_reversed": Effect("higher again", _COUNTED, "updated or opened again", _NONE),
    "loan.credit_posted": Effect("lower", "from the core's allocation", _FROM_ITEMS, "planned contact is recalled"),
    "loan.charge_applied": Effect(_STATED, _COUNTED, "updated", _NONE),
    "loan.charge_waived": Effect(_STATED, _COUNTED, _FROM_ITEMS, _LESS),
    "loan.charge_reversed": Effect(_STATED, _COUNTED, _FROM_ITEMS, _LESS),
    "loan.hold_started": Effect(
        _NONE, "effective days rest where it gives the person time", "suspended while it lasts",
        "planned contact is recalled; compliance keeps the hold, also over days past",
    ),
    "loan.hold_ended": Effect(
        _NONE, "effective days go on", "released the day after", "compliance ends the hold, some kinds by two people"
    ),
    "loan.rescheduled": Effect(_STATED, _COUNTED, _FROM_ITEMS, _LESS),
    "loan.reaged": Effect(_STATED, "anew", "cured as a re-age, never as paid", _LESS),
    "loan.charged_off": Effect(_NONE, _NONE, "updated: shown on the loan", "none: it neither permits nor cures"),
    "loan.written_off": Effect(_NONE, "counted no more", _LEAVES, "about this loan none any more"),
    "loan.recovery_received": Effect("lower", _NONE, "shown as money after the write-off", _NONE),
    "loan.transferred": Effect(_NONE, "counted no more", _LEAVES, "about this loan none any more"),
    "loan.closed": Effect(_NONE, "counted no more", _LEAVES, "about this loan none any more"),
    "loan.cured": Effect(_STATED, "0", _FROM_ITEMS, "planned contact is recalled"),
    "loan.obligor_changed": Effect(
        _NONE, "counted no more for a person no longer bound", "updated; it leaves the case of who is bound no more",
        "as for the people then bound; planned contact is recalled",
    ),
    "loan.corrected": Effect(_STATED, _COUNTED, _FROM_ITEMS, _LESS),
    "loan.balance_stated": Effect(
        _STATED, _NONE, "updated; suspended while it is below what is due", "none while it is below what is due"
    ),
    "loan.business_day_closed": Effect(
        _NONE, "every open loan is a day older", "bucket changes only; its totals are compared with ours", _NONE
    ),
    "party.updated": Effect(
        _NONE, _NONE, "updated: zones, language, home", "possible once the person is known; never while a minor"
    ),
    "party.deceased": Effect(_NONE, _NONE, "suspended", "stops for good"),
    "party.merged": Effect(
        "of both together", "of both together", "the survivor's holds both, the other one ends; suspended meanwhile",
        "planned contact is recalled; holds of both, contacts of both count",
    ),
    "party.unmerged": Effect(
        "of each alone", "of each alone", "two cases again, as each reference has it; suspended meanwhile",
        "planned contact is recalled; contacts until then count for both",
    ),
}  # fmt: skip
