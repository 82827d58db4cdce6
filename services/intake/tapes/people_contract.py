"""What a bank agrees for a feed of people: a tape whose rows say how each of them is called, and may be reached."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from services.intake.tapes.agreement import Agreement, At, Claimed, Strict
from shared.events.loan import ConsentKind


class PeopleContent(Claimed):
    """What a file claims. From people whom it does not name nothing is concluded."""

    population: Literal["all", "collected"] = Field(
        "collected",
        description="all: the bank's whole list of customers, of which only those are kept whom a loan has named: the "
        "others are nobody to us; collected: only people whose loans are told of, so that each row is kept.",
    )


class PersonFields(Strict):
    """Where the fields of a person stand."""

    party_ref: At
    name: At
    born_on: At | None = Field(None, description="Date of birth; an empty one is not known.")
    language: At = Field(description="ISO 639.")
    time_zone: At = Field(description="IANA zone of the person; several that come into question with `;` between.")
    zone_source: At | None = Field(
        None,
        description="Where each of the zones comes from, in their order, with `;` between; an empty one is not said.",
    )
    jurisdiction: At = Field(description="ISO 3166 place whose law applies.")
    history_known_from: At = Field(description="Past contacts are attested complete from this date on.")
    core_sequence: At | None = None


class ContactFields(Strict):
    """Where one contact point stands; an empty value means that there is none. A home has a position, WGS-84."""

    kind: At = Field(description="`home`, `mobile`, `email`.")
    value: At = Field(description="Address in one line, number or e-mail.")
    source: At = Field(description="The lawful source it came from.")
    lat: At | None = Field(None, description="Degrees north, decimal.")
    lon: At | None = Field(None, description="Degrees east, decimal.")


class ConsentFields(Strict):
    """Where one kind of consent stands. An empty `given` is not said: neither given nor withdrawn."""

    given: At = Field(description="`yes`, or `no` for refused or withdrawn, by code list.")
    said_on: At = Field(description="The day on which the person said it.")
    evidence: At | None = Field(None, description="The core's reference of the document or recording.")


class PeopleContract(Agreement):
    """One version of what a bank and we agree for a feed of people."""

    subject: ClassVar[str] = "party_ref"
    personal: ClassVar[frozenset[str]] = frozenset(
        {"name", "born_on", "value", "lat", "lon", "given", "said_on", "evidence"}
    )

    content: PeopleContent
    person: PersonFields
    contact: tuple[ContactFields, ...] = Field(min_length=1, max_length=20)
    consent: dict[ConsentKind, ConsentFields] = Field(default_factory=dict)

    @property
    def cures_the_vanished(self) -> bool:
        """Never: a person is not cured."""
        return False

    def groups(self) -> list[tuple[str, BaseModel]]:
        """The person's own places, then those of the contact points and of consents."""
        contacts = ((f"contact.{number}.", one) for number, one in enumerate(self.contact))
        return [("", self.person), *contacts, *((f"consent.{kind}.", one) for kind, one in self.consent.items())]
