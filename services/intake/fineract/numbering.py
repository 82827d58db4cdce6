"""Numbers that do not wrap. Fineract counts its events in 64 bits and sends the low 32 of them."""

from __future__ import annotations

from typing import Final

_SPAN: Final = 1 << 32
_ITEM_BITS: Final = 16
MOST_ITEMS: Final = (1 << _ITEM_BITS) - 1
# A number below the first one seen must still be positive.
_FIRST_EPOCH: Final = _SPAN


def unwrapped(message_id: int, *, near: int | None) -> int:
    """The number whose low half is `message_id` (signed or not) and that lies nearest to `near`; none known: any epoch.

    Right as long as fewer than 2^31 events lie between a message and the newest one known before it.
    """
    low = message_id % _SPAN
    if near is None:
        return _FIRST_EPOCH + low
    nearest = near - near % _SPAN + low
    if nearest - near > _SPAN // 2:
        nearest -= _SPAN
    elif near - nearest >= _SPAN // 2:
        nearest += _SPAN
    return max(nearest, low)


def core_sequence(number: int, item: int) -> int:
    """The sequence of a fact: its message's number, then its place in the message (0: the message is no bulk).

    Raises ValueError for a place that no message can have.
    """
    if not 0 <= item <= MOST_ITEMS:
        raise ValueError(f"a message holds {MOST_ITEMS} items at most")
    return number << _ITEM_BITS | item


def next_epoch(newest: int) -> int:
    """The number before all that a core can send which counts from 1 again: beyond everything sent until `newest`."""
    return (newest // _SPAN + 1) * _SPAN
