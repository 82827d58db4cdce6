"""Contact cards as the API shows them: what the purpose needs in clear, the rest masked."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from services.intake.card_desk import OpenedCard
from services.intake.domain.card_use import ALL_FIELDS
from services.intake.domain.masking import masked_birthday, masked_name, masked_value
from services.intake.people_schemas import ContactCard, ContactLine, FoundParty
from services.intake.store.cards import Card


def shown(party_id: UUID, opened: OpenedCard) -> ContactCard:
    """The card under its purpose."""
    card, clear = opened.card, opened.clear
    return ContactCard(
        party_id=party_id,
        masked=not clear,
        clear=sorted(ALL_FIELDS & clear),
        name=card.name if "name" in clear else masked_name(card.name),
        born_on=_birthday(card, clear),
        contacts=_lines(card, clear),
    )


def found_of(party_id: UUID, card: Card | None) -> FoundParty:
    """Somebody found, masked."""
    if card is None:
        return FoundParty(party_id=party_id, name=None, born_on=None, contacts=[])
    return FoundParty(
        party_id=party_id, name=masked_name(card.name), born_on=_birthday(card, ()), contacts=_lines(card, ())
    )


def _birthday(card: Card, clear: Collection[str]) -> str | None:
    if card.born_on is None:
        return None
    return card.born_on.isoformat() if "born_on" in clear else masked_birthday(card.born_on)


def _lines(card: Card, clear: Collection[str]) -> list[ContactLine]:
    return [
        ContactLine(
            kind=contact.kind,
            value=contact.value if contact.kind in clear else masked_value(contact.kind, contact.value),
            masked=contact.kind not in clear,
            source=contact.source,
            point=contact.point if "point" in clear else None,
        )
        for contact in card.contacts
    ]
