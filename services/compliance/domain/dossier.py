"""What was told of a person: who told it, since when it is so, when we heard of it; and what stood at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast, get_args
from uuid import UUID

from msgspec import structs

from services.compliance.domain.appointments import NOTICE, announced_at
from services.compliance.domain.debts import Debt
from services.compliance.domain.facts import (
    Circumstances,
    Counted,
    Inconvenient,
    Override,
    PartyFacts,
    Requested,
    Told,
)
from services.compliance.domain.local_time import Span
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import Collector, PlaceKind, Product, Recipient
from shared.events.contact import Channel

Circumstance = Literal["collector", "product", "place", "recipient"]
TellableName = FactName | Circumstance | Literal["letter"]
DossierName = TellableName | Literal["preferences", "customer_request"]
FactValue = bool | str | tuple[str, ...]

# That the person was told what the debt is: 12 CFR 1006.34, 940 CMR 7.08. Its value may name the debts it spoke of.
DEBT_NOTICE: Final[FactName] = "validation_notice_sent"
FACT_NAMES: Final[frozenset[str]] = frozenset(get_args(FactName))
CIRCUMSTANCES: Final[Mapping[str, tuple[str, ...]]] = {
    "collector": get_args(Collector),
    "product": get_args(Product),
    "place": get_args(PlaceKind),
    "recipient": get_args(Recipient),
}
# What a person consents to or refuses themself, whichever of their ids they are spoken to under: the word that closes.
REFUSED_BY: Final[Mapping[str, bool]] = {
    "electronic_consent": False, "employer_permits": False, "place_consented": False, "visit_permitted": False,
    "work_calls_accepted": False, "work_refusal_written": True,
}  # fmt: skip
# The name under which a rule misses it, where that is not its own.
MISSED_AS: Final[Mapping[str, str]] = {"preferences": "preferences.read", "letter": "letter.template_approved"}
# A request covers one contact within 7 days.
REQUEST_LASTS: Final = timedelta(days=7)

# How old a fact may be when a contact begins; a rule may ask for a younger one, a year where nothing is said here.
_A_YEAR: Final = timedelta(days=366)
_OF_ONE_VISIT: Final = timedelta(days=30)
# What was done once stays done.
_FOR_EVER: Final[frozenset[str]] = frozenset(
    {
        "guaranteed", "outsourcing_notice_sent", "referral_notice_sent", "spouse_liable", "transfer_notice_sent",
        "validation_notice_sent", "work_refusal_written",
    }
)  # fmt: skip
_AGES: Final[Mapping[str, timedelta]] = {
    "sms_number_checked": timedelta(days=60),
    "employer_permits": _OF_ONE_VISIT,
    "occasion_clear": timedelta(days=1),
    "place_chosen_by_customer": _OF_ONE_VISIT,
    "visit_notice_given": _OF_ONE_VISIT,
    "visit_permitted": _OF_ONE_VISIT,
    "visit_purpose_told": _OF_ONE_VISIT,
    "visit_time_agreed": _OF_ONE_VISIT,
    "work_visit_requested": _OF_ONE_VISIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierEntry:
    """One version of one thing told. `as_of` (business time): since when it is so; a later word on it supersedes.

    Of two with the same `as_of` the one recorded later corrects the other.
    """

    party_id: UUID
    name: DossierName
    value: FactValue | tuple[Inconvenient, ...] | frozenset[Channel]
    as_of: datetime
    recorded_real: datetime
    owner: str
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenOverride:
    """A permission to pass one rule, as it was recorded. It never acts before that, nor after it was withdrawn."""

    override_id: UUID
    party_id: UUID
    rule: str
    override: Override
    recorded_real: datetime
    ended_at: datetime | None = None

    @property
    def standing(self) -> Override:
        """What is left of it after its withdrawal."""
        if self.ended_at is None:
            return self.override
        valid = self.override.valid
        return structs.replace(self.override, valid=Span(valid.start, min(valid.end, max(valid.start, self.ended_at))))


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherId:
    """What was told of another id of the person and may be meant of them: it can close here, and never opens.

    `since_real`: both are known to be one since then; None: nobody knows. `stands`: they are one now.
    """

    entries: tuple[DossierEntry, ...]
    since_real: datetime | None
    stands: bool

    def heard(self, known_by: datetime | None) -> list[DossierEntry]:
        """Those of them that were known to be about the person by that real time (None: now)."""
        return [one for one in self.entries if known_by is None or self._known_since(one) <= known_by]

    def learnt(self, *, at: datetime) -> list[datetime]:
        """When (real time) each was known to be about the person, of those that bear on the business time `at`."""
        return [self._known_since(one) for one in self.entries if one.as_of <= at]

    def is_replaced(self, entry: DossierEntry, own: DossierEntry | None) -> bool:
        """Whether the person's own later word, told since both are known to be one, stands in its place."""
        if own is None or self.since_real is None or own.recorded_real < self.since_real:
            return False
        return (own.as_of, own.recorded_real) >= (entry.as_of, entry.recorded_real)

    def _known_since(self, entry: DossierEntry) -> datetime:
        return max(entry.recorded_real, self.since_real or entry.recorded_real)


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything ever told of a person. `others`: what was told of their other ids and binds them.

    `debts`: those they are bound by, to know of which of them a notice can speak.
    """

    entries: tuple[DossierEntry, ...] = ()
    overrides: tuple[GivenOverride, ...] = ()
    others: tuple[OtherId, ...] = ()
    debts: tuple[Debt, ...] = ()

    def circumstances(self, *, at: datetime, known_by: datetime | None = None) -> Circumstances:
        """What stood at the business time `at` of what decides which rules apply, as far as it was known by that real
        time (None: now).
        """
        return _circumstances(standing_of(self._heard(known_by), at=at))

    def applied_to(self, facts: PartyFacts, *, at: datetime, known_by: datetime | None = None) -> PartyFacts:
        """The facts with what stood at the business time `at`, as far as it was known by that real time (None: now).

        `facts`: without anything told.
        """
        if not (self.entries or self.overrides or self.others):  # as with most people
            told = _told_by({}, facts.counted, at=at)
            return structs.replace(facts, told=told) if told else facts
        heard = self._heard(known_by)
        standing = standing_of(heard, at=at)
        wished = self._wishes(standing.get("preferences"), at=at, known_by=known_by)
        standing |= self._refused(standing, at=at, known_by=known_by)
        overrides: dict[str, tuple[Override, ...]] = {}
        for given in self.overrides:
            if known_by is None or given.recorded_real <= known_by:
                overrides[given.rule] = (*overrides.get(given.rule, ()), given.standing)
        return structs.replace(
            facts,
            circumstances=_circumstances(standing),
            told=_told_by(standing, facts.counted, at=at),
            overrides=overrides,
            unnoticed=self._unnoticed(heard, at=at, known_by=known_by),
            inconvenient=wished,
            letter=_letter(standing.get("letter")),
            requested=_requested(heard, at),
            counted=_with_places(facts.counted, heard),
        )

    def _unnoticed(
        self, heard: Sequence[DossierEntry], *, at: datetime, known_by: datetime | None
    ) -> frozenset[UUID]:  # fmt: skip
        """Debts of which no notice spoke: none named them, and they came later than each that named none."""
        notices = _notices(heard, at=at)
        if not notices:
            return frozenset()
        return frozenset(
            debt.debt_id
            for debt in self.debts
            if known_by is None or debt.known_real is None or debt.known_real <= known_by
            if not any(_speaks_of(one, debt) for one in notices)
        )

    def _of_others(
        self, standing: Mapping[str, DossierEntry], *, at: datetime, known_by: datetime | None
    ) -> list[tuple[OtherId, DossierEntry]]:
        """The last words under each other id that no later one of the person's own has replaced."""
        return [
            (other, entry)
            for other in self.others
            for name, entry in standing_of(other.heard(known_by), at=at).items()
            if not other.is_replaced(entry, standing.get(name))
        ]

    def _wishes(
        self, own: DossierEntry | None, *, at: datetime, known_by: datetime | None
    ) -> tuple[Inconvenient, ...] | None:
        """All that the person called inconvenient under any id; None: not known, for what may be another's tells too
        little.
        """
        found = [] if own is None else [own]
        known = own is not None
        standing: dict[str, DossierEntry] = {} if own is None else {own.name: own}
        for other, entry in self._of_others(standing, at=at, known_by=known_by):
            if entry.name == "preferences":
                found.append(entry)
                known = known or other.stands
        wishes = (one for entry in found for one in cast(tuple[Inconvenient, ...], entry.value))
        return tuple(dict.fromkeys(wishes)) if known else None

    def _refused(
        self, standing: Mapping[str, DossierEntry], *, at: datetime, known_by: datetime | None
    ) -> dict[str, DossierEntry]:
        """What the person refused under another id: consent given under this one does not pass it."""
        found: dict[str, DossierEntry] = {}
        for _, entry in self._of_others(standing, at=at, known_by=known_by):
            if entry.name in REFUSED_BY and entry.value is REFUSED_BY[entry.name]:
                known = found.get(entry.name, standing.get(entry.name))
                if known is None or known.value is not entry.value or known.as_of < entry.as_of:
                    found[entry.name] = entry
        return found

    def _heard(self, known_by: datetime | None) -> list[DossierEntry]:
        return [one for one in self.entries if known_by is None or one.recorded_real <= known_by]


def standing_of(entries: Sequence[DossierEntry], *, at: datetime) -> dict[str, DossierEntry]:
    """The last word on each thing at the business time `at`."""
    standing: dict[str, DossierEntry] = {}
    for entry in entries:
        if entry.as_of > at:
            continue
        known = standing.get(entry.name)
        if known is None or (known.as_of, known.recorded_real) <= (entry.as_of, entry.recorded_real):
            standing[entry.name] = entry
    return standing


def age_limit(name: str) -> timedelta | None:
    """How old the fact may be when a contact begins; None: any age."""
    return None if name in _FOR_EVER else _AGES.get(name, _A_YEAR)


def _circumstances(standing: Mapping[str, DossierEntry]) -> Circumstances:
    known = {name: standing[name].value for name in CIRCUMSTANCES if name in standing}
    return Circumstances(
        collector=cast("Collector | None", known.get("collector")),
        product=cast("Product | None", known.get("product")),
        place=cast("PlaceKind | None", known.get("place")),
        recipient=cast("Recipient | None", known.get("recipient")),
    )


def _with_places(counted: tuple[Counted, ...], heard: Sequence[DossierEntry]) -> tuple[Counted, ...]:
    """Each visit at the place that was told for its time, where it does not name one itself."""
    places = sorted(
        (one for one in heard if one.name == "place"), key=lambda one: (one.as_of, one.recorded_real), reverse=True
    )  # fmt: skip
    if not places:
        return counted

    def at_its_place(one: Counted) -> Counted:
        if one.place is not None or one.channel != "visit":
            return one
        told = next((entry.value for entry in places if entry.as_of <= one.span.start), None)
        return one if told is None else structs.replace(one, place=cast(PlaceKind, told))

    return tuple(map(at_its_place, counted))


def _told_by(standing: Mapping[str, DossierEntry], counted: Iterable[Counted], *, at: datetime) -> dict[FactName, Told]:
    """What was told, and what our own records show: a message announced a visit. The later word counts."""
    told = {
        cast(FactName, name): _told(name, entry.as_of, value=is_so(entry))
        for name, entry in standing.items()
        if name in FACT_NAMES
    }
    announced, word = announced_at(counted, at=at), told.get(NOTICE)
    if announced is not None and (word is None or word.as_of < announced):
        told[NOTICE] = _told(NOTICE, announced, value=True)
    return told


def is_so(entry: DossierEntry) -> bool:
    """Whether the fact is told to be so; of the notice of debts, at least of those that it names."""
    return entry.value is True or (entry.name == DEBT_NOTICE and isinstance(entry.value, tuple))


def _notices(heard: Sequence[DossierEntry], *, at: datetime) -> list[DossierEntry]:
    """The notices sent until that business time; a word that none was sent takes back those before it."""
    told = sorted(
        (one for one in heard if one.name == DEBT_NOTICE and one.as_of <= at),
        key=lambda one: (one.as_of, one.recorded_real),
    )
    taken_back = [place for place, one in enumerate(told) if not is_so(one)]
    return told[taken_back[-1] + 1 :] if taken_back else told


def _speaks_of(notice: DossierEntry, debt: Debt) -> bool:
    """One that names debts speaks of these; another one of all that there were, and that were known, when it came."""
    if isinstance(notice.value, tuple):
        return str(debt.debt_id) in notice.value
    came_later = debt.known_real is not None and debt.known_real > notice.recorded_real
    return not came_later and not (debt.originated_on is not None and debt.originated_on > notice.as_of.date())


def _told(name: str, as_of: datetime, *, value: bool) -> Told:
    limit = age_limit(name)
    return Told(value=value, as_of=as_of, until=None if limit is None else as_of + limit)


def _letter(entry: DossierEntry | None) -> frozenset[str] | None:
    return None if entry is None else frozenset(cast(tuple[str, ...], entry.value))


def _requested(heard: Sequence[DossierEntry], at: datetime) -> tuple[Requested, ...]:
    return tuple(
        Requested(channels=cast(frozenset[Channel], one.value), at=one.as_of, until=one.as_of + REQUEST_LASTS)
        for one in heard
        if one.name == "customer_request" and at - REQUEST_LASTS < one.as_of <= at
    )
