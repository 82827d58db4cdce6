"""Personal data: sealed per party, found by blind index, and read only with a trace of who read what and why."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.database import UnitOfWork
from shared.events.loan import PartyUpdated
from shared.geo import Point
from shared.ids import event_id
from shared.security.party_keys import PartyCipher, Plain, Sealed

Kind = Literal["home", "mobile", "email"]
_CARD_FIELD = "person.card"
_MOBILE_FIELD = "person.mobile"
_HOME_FIELD = "person.home"

_SAVE = """
UPDATE person SET card = n.card, mobile_index = n.mobile_index
FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS n(party_id, card, mobile_index)
WHERE person.tenant = $1 AND person.party_id = n.party_id
"""
_LOAD = "SELECT party_id, card FROM person WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND card IS NOT NULL"
# Without a case nothing is announced, so of which core the person is does not matter.
_WITHOUT_HOUSEHOLD = """
SELECT p.party_id, coalesce(c.core, '') AS core
FROM person p LEFT JOIN case_file c ON c.tenant = p.tenant AND c.party_id = p.party_id
WHERE p.tenant = $1 AND p.card IS NOT NULL AND p.profile::json ->> 'household' IS NULL
  AND ($2::uuid IS NULL OR p.party_id > $2)
ORDER BY p.party_id LIMIT $3
"""
_FIND = "SELECT party_id FROM person WHERE tenant = $1 AND mobile_index = $2 ORDER BY party_id"
_LOG = """
INSERT INTO contact_reading (tenant, party_id, reading_id, caller, purpose, permit_id, what, read_at, recorded_at)
SELECT $1, party_id, reading_id, $4, $5, $6, $7, $8, $9
FROM unnest($2::uuid[], $3::uuid[]) AS r(party_id, reading_id)
"""
_PERMIT = """
SELECT channel, starts_at, ends_at FROM known_permit
WHERE tenant = $1 AND party_id = $2 AND permit_id = $3 AND NOT is_void
"""


class CardContact(Struct, frozen=True):
    """One way to reach the person, with its lawful source. `lat`, `lon`: WGS-84 degrees of a home."""

    kind: Kind
    value: str
    source: str
    lat: float | None
    lon: float | None

    @property
    def point(self) -> Point | None:
        """The position, if it has one."""
        return None if self.lat is None or self.lon is None else Point(lat=self.lat, lon=self.lon, crs="WGS84")


class Card(Struct, frozen=True):
    """Name and contact points of a person, in clear."""

    name: str
    contacts: tuple[CardContact, ...]

    @property
    def home_address(self) -> str | None:
        """The address of the home, as the core wrote it."""
        return next((contact.value for contact in self.contacts if contact.kind == "home"), None)

    @property
    def home(self) -> Point | None:
        """The exact position of the home."""
        return next((contact.point for contact in self.contacts if contact.kind == "home"), None)


_card = msgspec.json.Decoder(Card).decode


def normalised_mobile(text: str) -> str:
    """A number as digits with an optional leading plus, so that the same number has one blind index."""
    digits = "".join(character for character in text if character.isdigit())
    return f"+{digits}" if text.strip().startswith("+") else digits


def household_commitment(cipher: PartyCipher, address: str) -> str:
    """What people of one home have in common, and nobody can read the address from.

    Letters and digits count, in whatever form and spacing they were written (Unicode NFKC).
    """
    normalised = unicodedata.normalize("NFKC", address).casefold()
    return cipher.blind_index(_HOME_FIELD, "".join(one for one in normalised if one.isalnum())).hex()


async def save(uow: UnitOfWork, cipher: PartyCipher, people: Mapping[UUID, PartyUpdated]) -> None:
    """Seal the personal data of `people`, whose rows exist and whose locks are held."""
    if not people:
        return
    ids = sorted(people)
    cards = [_card_of(people[party_id]) for party_id in ids]
    plain = [
        Plain(party_id, _CARD_FIELD, msgspec.json.encode(card).decode())
        for party_id, card in zip(ids, cards, strict=True)
    ]
    mobiles = [next((contact.value for contact in card.contacts if contact.kind == "mobile"), None) for card in cards]
    await uow.sql.execute(
        _SAVE,
        uow.tenant,
        ids,
        await cipher.seal_many(uow, plain),
        [
            None if mobile is None else cipher.blind_index(_MOBILE_FIELD, normalised_mobile(mobile))
            for mobile in mobiles
        ],
    )


async def load(uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID]) -> dict[UUID, Card]:
    """The cards of those parties that have one and were not erased. Record the reading with `record_reading`."""
    rows = await uow.sql.fetch(_LOAD, uow.tenant, sorted(set(party_ids)))
    texts = await cipher.open_many(uow, [Sealed(row[0], _CARD_FIELD, bytes(row[1])) for row in rows])
    return {row[0]: _card(text) for row, text in zip(rows, texts, strict=True) if text is not None}


async def people_without_household(uow: UnitOfWork, *, after: UUID | None, limit: int) -> dict[UUID, str]:
    """People with a card whose home nobody has committed to, in order of id, each with the core of their case."""
    rows = await uow.sql.fetch(_WITHOUT_HOUSEHOLD, uow.tenant, after, limit)
    return {row["party_id"]: row["core"] for row in rows}


async def find_by_mobile(uow: UnitOfWork, cipher: PartyCipher, mobile: str) -> list[UUID]:
    """The parties with this mobile number."""
    index = cipher.blind_index(_MOBILE_FIELD, normalised_mobile(mobile))
    return [row[0] for row in await uow.sql.fetch(_FIND, uow.tenant, index)]


async def record_reading(
    uow: UnitOfWork,
    party_ids: Sequence[UUID],
    *,
    caller: str,
    purpose: str,
    what: str,
    permit_id: UUID | None = None,
) -> None:
    """Keep who read `what` (card, masked_card, point, search) of these parties, and for which purpose."""
    ids = sorted(set(party_ids))
    await uow.sql.execute(
        _LOG,
        uow.tenant,
        ids,
        [event_id() for _ in ids],
        caller,
        purpose,
        permit_id,
        what,
        uow.now,
        uow.real_now,
    )


async def permit_stands(uow: UnitOfWork, party_id: UUID, permit_id: UUID, *, at: datetime) -> bool:
    """Whether compliance granted this permit for the party, it was not revoked, and its window is not over."""
    row = await uow.sql.fetchrow(_PERMIT, uow.tenant, party_id, permit_id)
    return row is not None and (row["ends_at"] is None or at < row["ends_at"])


def _card_of(fact: PartyUpdated) -> Card:
    return Card(
        name=fact.name,
        contacts=tuple(
            CardContact(
                kind=contact.kind,
                value=contact.value,
                source=contact.source,
                lat=None if contact.point is None else contact.point.lat,
                lon=None if contact.point is None else contact.point.lon,
            )
            for contact in fact.contact_points
        ),
    )
