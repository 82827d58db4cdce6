"""The desk of contact data: whoever reads, and why, is kept and told to compliance in the transaction that reads.

A refused reading is kept and told as well: who asks again and again for what no permit opens, is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from services.intake.domain.card_use import USES, CardPurpose, Refusal, RequestPurpose, refusal
from services.intake.store import cards, permits, readings
from services.intake.store.cards import Card
from services.intake.store.readings import Reading
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.case import PartyCardRead
from shared.security.callers import Caller
from shared.security.party_keys import PartyCipher

SEARCHES_PER_MINUTE = 30
MOST_FOUND = 20
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OpenedCard:
    """A card and which of its fields the purpose needs in clear; the others are for masking."""

    card: Card
    clear: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whom a search is for: exactly one of number, name with birthday, or a core's reference."""

    mobile: str | None = None
    name: tuple[str, date] | None = None
    reference: tuple[str, str] | None = None

    @property
    def found_by(self) -> str:
        """Which of them."""
        return "mobile" if self.mobile is not None else "name" if self.name is not None else "reference"


class SearchedTooMuchError(Exception):
    """The caller has searched as often as one may. `wait_seconds`: until the next search is answered."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"wait {wait_seconds} s")
        self.wait_seconds = wait_seconds


async def open_card(
    uow: UnitOfWork,
    cipher: PartyCipher,
    party_id: UUID,
    *,
    caller: Caller,
    purpose: CardPurpose | RequestPurpose,
    permit_id: UUID | None = None,
) -> OpenedCard | Refusal | None:
    """The card as far as `purpose` needs it, or why not; None: there is no contact data. Commit a refusal as well."""
    await uow.lock_parties([party_id])
    card = (await cards.load(uow, cipher, [party_id])).get(party_id)
    if card is None:
        return None
    use = USES[purpose]
    permit = None if permit_id is None else await permits.heard(uow, party_id, permit_id)
    refused = refusal(use, permit, named=permit_id is not None, now=uow.now)
    clear: frozenset[str] = frozenset() if refused is not None else use.fields
    reading = Reading(
        party_id=party_id,
        caller=caller.identity,
        purpose=purpose,
        what="refused" if refused is not None else "card" if clear else "masked_card",
        fields=clear,
        permit_id=permit_id,
        refused_for=None if refused is None else refused.reason,
    )
    await record(uow, caller, [reading])
    return OpenedCard(card, clear) if refused is None else refused


async def read_homes(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID], *, caller: Caller, purpose: str
) -> dict[UUID, Card]:
    """The cards behind exact points, in bulk."""
    await uow.lock_parties(party_ids)
    found = await cards.load(uow, cipher, party_ids)
    await record(
        uow,
        caller,
        [
            Reading(
                party_id=one, caller=caller.identity, purpose=purpose, what="point", fields=frozenset({"point"})
            )
            for one in found
        ],
    )  # fmt: skip
    return found


async def search(
    uow: UnitOfWork, cipher: PartyCipher, wanted: Wanted, *, caller: Caller, purpose: str, limit: int
) -> dict[UUID, Card | None]:
    """Who it may be, at most `limit` people, with their cards for masking (None: the core has not described them).

    Raises SearchedTooMuchError: a search is for one caller on the line, not for reading the portfolio.
    """
    earlier = await readings.nth_last_search(
        uow, caller=caller.identity, since=uow.real_now - _MINUTE, n=SEARCHES_PER_MINUTE
    )
    if earlier is not None:
        raise SearchedTooMuchError(max(1, (earlier + _MINUTE - uow.real_now).seconds))
    ids = await _found(uow, cipher, wanted, limit=limit)
    await readings.keep_search(uow, caller=caller.identity, purpose=purpose, found_by=wanted.found_by, found=len(ids))
    await uow.lock_parties(ids)
    known = await cards.load(uow, cipher, ids)
    await record(
        uow, caller, [Reading(party_id=one, caller=caller.identity, purpose=purpose, what="search") for one in ids]
    )
    return {one: known.get(one) for one in ids}


async def _found(uow: UnitOfWork, cipher: PartyCipher, wanted: Wanted, *, limit: int) -> list[UUID]:
    if wanted.mobile is not None:
        return await cards.find_by_mobile(uow, cipher, wanted.mobile, limit=limit)
    if wanted.name is not None:
        return await cards.find_by_name(uow, cipher, *wanted.name, limit=limit)
    return [] if wanted.reference is None else await cards.find_by_reference(uow, *wanted.reference)


async def record(uow: UnitOfWork, caller: Caller, kept: Sequence[Reading]) -> None:
    """Keep readings and tell compliance of each. The parties are locked."""
    await readings.keep(uow, kept)
    for one in kept:
        use = USES.get(one.purpose)  # type: ignore[call-overload]
        uow.emit(
            NewEvent(
                type="party.card_read",
                party_id=one.party_id,
                aggregate_id=one.party_id,
                time=uow.now,
                data=PartyCardRead(
                    reading_id=one.reading_id,
                    party_id=one.party_id,
                    reader=caller.subject[:200],
                    client=caller.client_id[:100],
                    purpose=one.purpose,
                    what=one.what,
                    fields=sorted(one.fields),
                    channel=None if use is None else use.channel,
                    permit_id=one.permit_id,
                    refused_for=one.refused_for,
                    read_at=uow.now,
                    read_real=uow.real_now,
                ),
            )
        )
