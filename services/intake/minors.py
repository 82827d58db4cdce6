"""People who are not of age: compliance is told when it is known and when it is over, and keeps the hold.

A birthday lies in the sealed card alone. Who is a minor is kept, and each midnight of the tenant the cards of minors
are opened to see who has come of age. People whom the core described before this was kept are walked through once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.intake.domain.majority import is_minor
from services.intake.store import cards, readings
from services.intake.store import minors as store
from services.intake.store.readings import Reading
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.case import PartyMinorityChanged
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.security.party_keys import PartyCipher

MINORS: Final = "minors"
_READER: Final = "/services/intake"


class Birth(NamedTuple):
    """When somebody was born, and the place whose law says when they are of age."""

    born_on: date
    jurisdiction: str


async def follow(uow: UnitOfWork, people: Mapping[UUID, Birth], today: date) -> None:
    """Keep who is a minor and who is not any more, and tell of each change. The parties are locked."""
    if not people:
        return
    young = {party_id for party_id, born in people.items() if is_minor(born.born_on, born.jurisdiction, today)}
    for party_id in await store.keep(uow, young):
        _tell(uow, party_id, today, is_a_minor=True)
    for party_id in await store.release(uow, people.keys() - young):
        _tell(uow, party_id, today, is_a_minor=False)


def _tell(uow: UnitOfWork, party_id: UUID, today: date, *, is_a_minor: bool) -> None:
    data = PartyMinorityChanged(party_id=party_id, is_minor=is_a_minor, seen_on=today)
    uow.emit(NewEvent(type="party.minority_changed", party_id=party_id, aggregate_id=party_id, data=data, time=uow.now))


def look_at_everybody(uow: UnitOfWork) -> NewIntent:
    """People described before minors were kept. It is one for ever."""
    return NewIntent(kind=MINORS, key=f"{uow.tenant}|everybody|", due_at=uow.real_now, payload=_payload(None, None))


def next_midnight(uow: UnitOfWork, time_zone: str) -> NewIntent:
    """The look at the tenant's next midnight, at those who are minors by then."""
    zone = ZoneInfo(time_zone)
    tomorrow = uow.now.astimezone(zone).date() + timedelta(days=1)
    return NewIntent(
        kind=MINORS, key=f"{uow.tenant}|{tomorrow}|", clock="business", payload=_payload(tomorrow, None),
        due_at=datetime.combine(tomorrow, time(), tzinfo=zone).astimezone(UTC),
    )  # fmt: skip


def _payload(day: date | None, after: UUID | None) -> dict[str, str | None]:
    return {"day": None if day is None else day.isoformat(), "after": None if after is None else str(after)}


@dataclass(frozen=True)
class WatchMinors(TimerHandler):
    """Intent handler: one page of minors, or of everybody. The first page of a midnight intends the next midnight."""

    cipher: PartyCipher
    time_zone: str
    page: int
    kind: ClassVar[str] = MINORS
    batch_size: ClassVar[int] = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Each page commits with the intent of the next."""
        for intent, _ in answered:
            after = None if intent.payload["after"] is None else UUID(intent.payload["after"])
            day = None if intent.payload["day"] is None else date.fromisoformat(intent.payload["day"])
            if day is not None and after is None:
                uow.intend(next_midnight(uow, self.time_zone))
            read = store.described if day is None else store.page
            page = await read(uow, after=after, limit=self.page)
            await self._look(uow, page)
            if len(page) == self.page:
                last = max(page)
                uow.intend(
                    NewIntent(
                        kind=MINORS, key=f"{uow.tenant}|{day or 'everybody'}|{last}", due_at=uow.real_now,
                        payload=_payload(day, last),
                    )
                )  # fmt: skip

    async def _look(self, uow: UnitOfWork, page: Mapping[UUID, str]) -> None:
        # Locked before the cards are read: a newer card says when they were really born.
        await uow.lock_parties(page)
        known = await cards.load(uow, self.cipher, page)
        born = {
            party_id: Birth(card.born_on, page[party_id])
            for party_id, card in known.items()
            if card.born_on is not None
        }
        await follow(uow, born, uow.now.astimezone(ZoneInfo(self.time_zone)).date())
        kept = [Reading(party_id=one, caller=_READER, purpose="of_age", what="card") for one in known]
        await readings.keep(uow, kept)
