"""Personal data: sealed per party, found by blind index, and read only with a trace of who read what and why."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.database import UnitOfWork
from shared.events.loan import PartyUpdated
from shared.geo import Point
from shared.security.party_keys import PartyCipher, Plain, Sealed

Kind = Literal["home", "mobile", "email"]
_CARD_FIELD = "person.card"
_MOBILE_FIELD = "person.mobile"
_HOME_FIELD = "person.home"
_NAME_FIELD = "person.name_and_birthday"

_SAVE = """
UPDATE person SET card = n.card, mobile_index = n.mobile_index, name_index = n.name_index,
       further_mobiles = CASE WHEN n.further <> '' THEN string_to_array(n.further, ',')::bytea[] END
FROM unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[])
  AS n(party_id, card, mobile_index, name_index, further)
WHERE person.tenant = $1 AND person.party_id = n.party_id
"""
_INDEX = """
UPDATE person SET mobile_index = n.mobile_index, name_index = n.name_index,
       further_mobiles = CASE WHEN n.further <> '' THEN string_to_array(n.further, ',')::bytea[] END
FROM unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::text[]) AS n(party_id, mobile_index, name_index, further)
WHERE person.tenant = $1 AND person.party_id = n.party_id
"""
_PEOPLE = """
SELECT party_id FROM person WHERE tenant = $1 AND card IS NOT NULL AND ($2::uuid IS NULL OR party_id > $2)
ORDER BY party_id LIMIT $3
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
_BY_MOBILE = """
SELECT party_id FROM person WHERE tenant = $1 AND (mobile_index = $2 OR further_mobiles @> ARRAY[$2::bytea])
ORDER BY party_id LIMIT $3
"""
_BY_NAME = "SELECT party_id FROM person WHERE tenant = $1 AND name_index = $2 ORDER BY party_id LIMIT $3"
_BY_REFERENCE = "SELECT party_id FROM party_alias WHERE tenant = $1 AND core = $2 AND party_ref = $3"


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
    born_on: date | None = None

    @property
    def mobiles(self) -> tuple[str, ...]:
        """The numbers, each once, in the core's order and in one way of writing."""
        return tuple(dict.fromkeys(normalised_mobile(one.value) for one in self.contacts if one.kind == "mobile"))

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

    Letters and digits count, in whatever form and spacing they were written.
    """
    return cipher.blind_index(_HOME_FIELD, _letters(address)).hex()


def _letters(text: str) -> str:
    """Letters and digits alone, in one form (Unicode NFKC, case folded): other spacing is not another name."""
    return "".join(one for one in unicodedata.normalize("NFKC", text).casefold() if one.isalnum())


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
    await uow.sql.execute(_SAVE, uow.tenant, ids, await cipher.seal_many(uow, plain), *_indexes(cipher, cards))


async def index(uow: UnitOfWork, cipher: PartyCipher, known: Mapping[UUID, Card]) -> None:
    """Write the blind indexes of cards that are stored already. The parties are locked."""
    if known:
        ids = sorted(known)
        await uow.sql.execute(_INDEX, uow.tenant, ids, *_indexes(cipher, [known[party_id] for party_id in ids]))


def _indexes(cipher: PartyCipher, cards: Sequence[Card]) -> tuple[list[bytes | None], list[bytes | None], list[str]]:
    """Of each card: the index of its first number, of name and birthday, and those of further numbers (bytea text)."""
    numbers = [[cipher.blind_index(_MOBILE_FIELD, number) for number in card.mobiles] for card in cards]
    return (
        [of_card[0] if of_card else None for of_card in numbers],
        [None if card.born_on is None else _name_index(cipher, card.name, card.born_on) for card in cards],
        [",".join(f"\\x{one.hex()}" for one in of_card[1:]) for of_card in numbers],
    )


def _name_index(cipher: PartyCipher, name: str, born_on: date) -> bytes:
    return cipher.blind_index(_NAME_FIELD, f"{_letters(name)}|{born_on.isoformat()}")


async def load(uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID]) -> dict[UUID, Card]:
    """The cards of those parties that have one and were not erased. Record the reading with `record_reading`."""
    rows = await uow.sql.fetch(_LOAD, uow.tenant, sorted(set(party_ids)))
    texts = await cipher.open_many(uow, [Sealed(row[0], _CARD_FIELD, bytes(row[1])) for row in rows])
    return {row[0]: _card(text) for row, text in zip(rows, texts, strict=True) if text is not None}


async def people_without_household(uow: UnitOfWork, *, after: UUID | None, limit: int) -> dict[UUID, str]:
    """People with a card whose home nobody has committed to, in order of id, each with the core of their case."""
    rows = await uow.sql.fetch(_WITHOUT_HOUSEHOLD, uow.tenant, after, limit)
    return {row["party_id"]: row["core"] for row in rows}


async def people(uow: UnitOfWork, *, after: UUID | None, limit: int) -> list[UUID]:
    """Everybody with a card, in order of id."""
    return [row[0] for row in await uow.sql.fetch(_PEOPLE, uow.tenant, after, limit)]


async def find_by_mobile(uow: UnitOfWork, cipher: PartyCipher, mobile: str, *, limit: int) -> list[UUID]:
    """The parties with this mobile number, in order of id."""
    wanted = cipher.blind_index(_MOBILE_FIELD, normalised_mobile(mobile))
    return [row[0] for row in await uow.sql.fetch(_BY_MOBILE, uow.tenant, wanted, limit)]


async def find_by_name(uow: UnitOfWork, cipher: PartyCipher, name: str, born_on: date, *, limit: int) -> list[UUID]:
    """The parties of this name, born on this day, in order of id."""
    return [row[0] for row in await uow.sql.fetch(_BY_NAME, uow.tenant, _name_index(cipher, name, born_on), limit)]


async def find_by_reference(uow: UnitOfWork, core: str, party_ref: str) -> list[UUID]:
    """The party of a core's reference: a pseudonym, and the key of all facts, so it is kept in clear."""
    return [row[0] for row in await uow.sql.fetch(_BY_REFERENCE, uow.tenant, core, party_ref)]


def _card_of(fact: PartyUpdated) -> Card:
    return Card(
        name=fact.name,
        born_on=fact.born_on,
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
