"""Who lives in a world: debtors of four places, what is told of them, and when the world begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final
from uuid import UUID

from services.compliance.domain.dossier import DossierEntry, DossierName, FactValue
from services.compliance.domain.places import Place
from worlds.kept import Case
from worlds.law import utc
from worlds.truth import Person

# The second pair: nobody knows in which of the two zones the person is.
ZONES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "CN": (("Asia/Shanghai",), ("Asia/Shanghai", "Asia/Urumqi")),
    "US-MA": (("America/New_York",), ("America/Chicago", "America/New_York")),
    "GB": (("Europe/London",), ("Europe/London", "Europe/Madrid")),
    "AU-VIC": (("Australia/Melbourne",), ("Australia/Adelaide", "Australia/Melbourne")),
}
# Credit card rules 2011, art. 69: what a written demand contains.
_IN_A_LETTER: Final = (
    "debtor_name", "balance", "reason", "legal_basis", "rights_and_duties", "how_to_dispute", "contact_data",
    "bank_seal",
)  # fmt: skip
_NAMES: Final = ("Ada", "Bo", "Chen", "Dora")
COLLECTOR: Final = {"CN": "creditor", "US-MA": "agency", "GB": "creditor", "AU-VIC": "creditor"}
# What the four places ask for before a contact; each is told again before it is too old.
_NEEDED: Final[dict[str, tuple[DossierName, ...]]] = {
    "CN": (),
    "US-MA": ("validation_notice_sent", "opt_out_offered", "sms_number_checked"),
    "GB": ("visit_purpose_told", "visit_notice_given"),
    "AU-VIC": ("visit_permitted", "visit_purpose_told", "visit_time_agreed"),
}
_TOLD_EVERY: Final = timedelta(days=20)
_WITHHELD: Final = 0.04
_TOGETHER: Final = 0.5
_OWN_HOME: Final = 0.3
_SHARED_NUMBER: Final = 0.25


def first_day(draw: Random, stricter_from: date | None) -> date:
    """The day on which the world begins: before the change of policy, if there is one, else anywhere in 18 months."""
    if stricter_from is not None:
        return stricter_from - timedelta(days=draw.randint(4, 20))
    return date(2025, 6, 1) + timedelta(days=draw.randint(0, 540))


def person_of(
    draw: Random, party_id: UUID, begins: datetime, debts: tuple[UUID, ...], others: Sequence[Person]
) -> Person:
    """A debtor whose contacts are attested for up to two months before the world begins; of a few for less.

    `others`: those who live in the world already; with one of them the person may share place and home.
    """
    number = len(others)
    friend = draw.choice(others) if others and draw.random() < _TOGETHER else None
    place = draw.choice(tuple(ZONES)) if friend is None else friend.place
    attested = draw.choice((0, 20, 40, 70, 70, 70))
    return Person(
        party_id=party_id,
        name=_NAMES[number],
        place=place,
        zones=ZONES[place][draw.random() < 0.25],
        history_known_from=begins.date() - timedelta(days=attested),
        debts=debts,
        home=f"home {number}" if friend is None or draw.random() < _OWN_HOME else friend.home,
        numbers=(f"{number}a", f"{number}b"),
    )


def on_a_number_of(person: Person, others: Sequence[Person]) -> Person:
    """Some people are reached on a number of somebody else, too. Drawn apart: who is not stays who they were."""
    draw = Random(f"numbers of {person.party_id}")
    if not others or draw.random() >= _SHARED_NUMBER:
        return person
    return replace(person, numbers=(person.numbers[0], draw.choice(others).numbers[0]))


def case_of(draw: Random, person: Person, case_id: UUID, *, begins: datetime, ends: datetime, real: timedelta) -> Case:
    """What compliance knows of the person when the world begins, and what its owners will have told by then."""
    case = Case(
        party_id=person.party_id,
        case_id=case_id,
        place=person.place,
        zones=person.zones,
        history_known_from=person.history_known_from,
        debts=person.debts,
        home=person.home,
    )
    circumstances: dict[DossierName, FactValue] = {
        "collector": COLLECTOR[person.place],
        "place": "home",
        "recipient": "obligor",
        "product": "consumer_loan",
        "letter": _IN_A_LETTER,
    }
    for name, value in circumstances.items():
        case.entries.append(_entry(person, name, value, begins, real))
    case.places.append(
        Place(
            party_id=person.party_id, since=begins, recorded_real=begins + real, jurisdiction=person.place,
            zones=person.zones,
        )
    )  # fmt: skip
    preferences = DossierEntry(
        party_id=person.party_id, name="preferences", value=(), as_of=begins - timedelta(days=80),
        recorded_real=begins + real, owner="bank",
    )  # fmt: skip
    case.entries.append(preferences)
    withheld = draw.random() < _WITHHELD
    for name in _NEEDED[person.place][withheld:]:
        moment = begins
        while moment < ends:
            case.entries.append(_entry(person, name, True, moment, real))
            moment += _TOLD_EVERY
    return case


def midnight(day: date, real: timedelta) -> tuple[datetime, datetime]:
    """A date's first moment in UTC on both clocks."""
    moment = utc(day)
    return moment, moment + real


def wall(day: date, minute: int) -> datetime:
    """A wall clock's reading, still without a zone."""
    return datetime.combine(day, time(minute // 60, minute % 60))


def _entry(person: Person, name: DossierName, value: FactValue, as_of: datetime, real: timedelta) -> DossierEntry:
    return DossierEntry(
        party_id=person.party_id, name=name, value=value, as_of=as_of - timedelta(days=1), recorded_real=as_of + real,
        owner="bank",
    )  # fmt: skip
