"""What compliance knows of a person, and what it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final, cast
from uuid import UUID

import msgspec
from msgspec import structs

from services.compliance.domain.history import History
from services.compliance.domain.holds import Hold
from services.compliance.domain.local_time import Span, dates_of, known_zones
from services.compliance.domain.packs import Attested, Unit
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import (
    Collector,
    Key,
    Overriding,
    PlaceKind,
    Product,
    Recipient,
    RuleRecord,
)
from shared.events.contact import Channel, Purpose

WATERMARK_LIMIT: Final = timedelta(seconds=30)
_NOTHING: Final[frozenset[str]] = frozenset()
LOG_LIMIT: Final = timedelta(minutes=5)
BALANCE_LIMIT: Final = timedelta(minutes=15)


class Counted(msgspec.Struct, frozen=True, kw_only=True, array_like=True, dict=True):
    """A contact, or a reservation for one, as the counters see it. A reservation counts as everything.

    Its outcome is unknown. Keys that are not known (None) are shared with every other contact. `lawful` is the audit's
    word, None while it has not spoken: such an attempt opens no gate. `thread` names a written exchange.
    `told_real`: when a contact was told, for the audit. `of_another`: it was made with somebody else who shares a key.
    A struct, because every decision is kept with all of them (`domain.judged_on`): it encodes four times as fast.
    """

    channel: Channel
    purpose: Purpose
    span: Span
    zones: tuple[str, ...]
    attempt: bool = True
    contact: bool = True
    conversation: bool = True
    household_contacted: bool = True
    debtor_met: bool = True
    permit_id: UUID | None = None
    unanswered: bool = True
    lawful: bool | None = None
    consented: bool = False
    not_connected: bool = False
    place: PlaceKind | None = None
    thread: str | None = None
    keys: Mapping[Key, frozenset[str]] = {}
    told_real: datetime | None = None
    of_another: bool = False

    def counts_as(self, unit: Unit) -> bool:
        """Whether the counter `unit` counts it."""
        return bool(getattr(self, unit))

    @property
    def failed(self) -> bool:
        """Whether it is known to have been lawful and to have reached nobody."""
        return self.lawful is True and self.attempt and not (self.contact or self.household_contacted)

    def shares(self, key: Key, wanted: frozenset[str] | None) -> bool:
        """Whether it may concern the same debt, number, address …: not when both are known and differ."""
        own = self.keys.get(key)
        return own is None or wanted is None or not own.isdisjoint(wanted)

    def surely_shares(self, keys: Iterable[Key], wanted: Mapping[Key, frozenset[str]]) -> bool:
        """Whether it is known to concern one of the same debts, numbers, addresses …

        Somebody else's contact counts only then: nobody could count all those whose number is not known.
        """
        return any(not self.keys.get(key, _NOTHING).isdisjoint(wanted.get(key, _NOTHING)) for key in keys)

    def dates(self) -> frozenset[date]:
        """Its local dates in every zone the person may have been in; worked out once."""
        kept = self.__dict__
        if not kept:
            kept["_dates"] = dates_of(self.span, self.zones)
        return cast(frozenset[date], kept["_dates"])


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A signed answer of intake: how much is overdue, as of when (real time)."""

    as_of: datetime
    overdue_minor: Mapping[str, int]
    digest: str

    @property
    def owes(self) -> bool:
        """Whether anything is overdue in any currency."""
        return max(self.overdue_minor.values(), default=0) > 0


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """Low watermarks of the feeders (real time; None.

    Never heard) and who of them names the party as parked or blocked.
    """

    watermarks: Mapping[str, datetime | None]
    named_by: tuple[str, ...] = ()
    silent_feeds: Mapping[str, tuple[str, ...]] = {}
    """Reporting systems that should have spoken, by the channel whose contacts nobody tells us of."""
    suspended_feeds: tuple[str, ...] = ()
    """Cores of the person's case that intake does not believe at the moment, each with its cause."""
    log_waits_since: datetime | None = None
    """Real time of the oldest leaf that no signed head of the log covers; None: all are covered."""

    @property
    def oldest(self) -> datetime | None:
        """Compliance's own watermark: the minimum over all feeders."""
        known = [moment for moment in self.watermarks.values() if moment is not None]
        return min(known) if known and len(known) == len(self.watermarks) else None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A fact told by the service that owns it, under its signature. `as_of` and `until` are business time.

    `until`: it says nothing of contacts that begin later; None: it does not age.
    """

    value: bool
    as_of: datetime
    until: datetime | None = None


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A stored permission to pass one rule: the person's consent, or a supervisor's decision. `evidence` proves it.

    `opens` and `closes` are local hours that the person agreed to; without them it covers any hour.
    """

    by: Overriding
    evidence: UUID
    valid: Span
    opens: time | None = None
    closes: time | None = None


class Inconvenient(msgspec.Struct, frozen=True, kw_only=True):
    """A time of day, a channel or both that the person called inconvenient. No hours: at all times."""

    channels: frozenset[Channel]
    opens: time | None = None
    closes: time | None = None


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """The person's own recorded request to be contacted: good for one contact, between `at` and `until`."""

    channels: frozenset[Channel]
    at: datetime
    until: datetime

    def covers(self, channel: Channel, span: Span) -> bool:
        """Whether a contact on that channel may rest on it."""
        return channel in self.channels and self.at <= span.start and span.end <= self.until


class ThirdPersonAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger of third persons says of this one: local dates on which it was asked, and whether it refused.

    `complete`: the ledger reaches back to the first day on which this debt was collected.
    """

    dates: tuple[date, ...] = ()
    refused: bool = False
    complete: bool = False


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What decides which rules apply. None: not known, and then the rule applies."""

    collector: Collector | None = None
    product: Product | None = None
    place: PlaceKind | None = None
    recipient: Recipient | None = None

    def concern(self, rule: RuleRecord, attested: Attested) -> bool:
        """Whether the rule may apply; what the service that owns it said goes before what the bank attested."""
        return (
            _listed(rule.collectors, self.collector or attested.collector)
            and _listed(rule.products, self.product or attested.product)
            and _listed(rule.places, self.place or attested.place)
            and _listed(rule.recipients, self.recipient or attested.recipient)
        )


def _listed(wanted: tuple[str, ...], known: str | None) -> bool:
    return not wanted or known is None or known in wanted


class Sharer(msgspec.Struct, frozen=True, kw_only=True):
    """The law of somebody who shares keys with the person; nothing here says who it is.

    `keys`: those that both have. `unresolved`: kinds of keys that compliance should know of the other and does not.
    """

    jurisdiction: str
    keys: Mapping[Key, frozenset[str]]
    unresolved: frozenset[Key] = frozenset()
    circumstances: Circumstances = Circumstances()


class PartyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What compliance read itself, or was told under the signature of the service that owns the fact.

    `keys`: what every contact with the person counts on beside the person; `unresolved`: kinds of keys that compliance
    should know and does not. `shared`: contacts with other people, and reservations, that count on a key of a question.
    """

    party_id: UUID
    known: bool = False
    held: bool = False
    case_id: UUID | None = None
    case_open: bool = False
    case_version: int = 0
    jurisdiction: str | None = None
    zones: tuple[str, ...] = ()
    history_known_from: date | None = None
    versions: Mapping[tuple[str, UUID], int] = {}
    holds: tuple[Hold, ...] = ()
    counted: tuple[Counted, ...] = ()
    freshness: Freshness
    balance: Balance | None = None
    circumstances: Circumstances = Circumstances()
    told: Mapping[FactName, Told] = {}
    overrides: Mapping[str, tuple[Override, ...]] = {}
    inconvenient: tuple[Inconvenient, ...] | None = None
    third_person: ThirdPersonAsked | None = None
    letter: frozenset[str] | None = None
    requested: tuple[Requested, ...] = ()
    debts: frozenset[UUID] = frozenset()
    """All debts that the person is known to be bound by, whether they are overdue or not."""
    guaranteed: frozenset[UUID] = frozenset()
    """Those of them of which the person only stands surety, and nothing is demanded."""
    transferred: frozenset[UUID] = frozenset()
    """Those of them that are another's now: sold, serviced by somebody else, or owed by another person."""
    unnoticed: frozenset[UUID] = frozenset()
    """Those of them of which the notice that was sent cannot speak: each debt has a notice of its own."""
    collected_since: date | None = None
    """No debt that is collected now is older; None: not known."""
    keys: Mapping[Key, frozenset[str]] = {}
    unresolved: frozenset[Key] = frozenset()
    shared: tuple[Counted, ...] = ()
    sharers_known_from: Mapping[str, date | None] = {}
    """By name of a key that others share: since when the contacts of all of them are attested; None: not known."""
    sharers: tuple[Sharer, ...] = ()
    """The laws of those who share a key of a question: their caps are kept, too."""
    sharers_without_case: int = 0
    """How many share a key of a question whose place, and so whose law, nobody has told."""

    @property
    def has_sharers(self) -> bool:
        """Whether anything is to be said of those who share a key."""
        return bool(self.sharers) or self.sharers_without_case > 0

    def __post_init__(self) -> None:
        if not isinstance(self.counted, History):
            structs.force_setattr(self, "counted", History(self.counted))

    @property
    def history(self) -> History:
        """What is counted, with what the rules have counted of it so far."""
        return self.counted  # type: ignore[return-value]  # made one above; a cast costs, and every cap asks

    def with_reservation(self, reservation: Counted, *, replacing: UUID | None) -> PartyFacts:
        """The facts after a grant in the same batch."""
        kept = tuple(one for one in self.counted if replacing is None or one.permit_id != replacing)
        return structs.replace(self, counted=(*kept, reservation))

    def with_reservation_of_another(self, reservation: Counted, *, replacing: UUID | None) -> PartyFacts:
        """The facts after a grant in the same batch to somebody who shares a key."""
        kept = tuple(one for one in self.shared if replacing is None or one.permit_id != replacing)
        return structs.replace(self, shared=(*kept, structs.replace(reservation, of_another=True)))

    def without(self, permit_id: UUID | None) -> PartyFacts:
        """The facts as if that reservation did not exist (it is about to be replaced)."""
        if permit_id is None:
            return self
        return structs.replace(self, counted=tuple(one for one in self.counted if one.permit_id != permit_id))


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One contact that somebody wants to make. What the asker asserts of the person can only narrow, never widen.

    `keys` (debts, contact point, address) are those that compliance looked up, not those that the asker named. `debts`:
    those that the contact is about, each known to be the person's; None: all of them.
    """

    party_id: UUID
    case_id: UUID | None
    subject_id: UUID
    channel: Channel
    purpose: Purpose
    jurisdiction: str
    zones: tuple[str, ...]
    span: Span
    duration: timedelta
    crew: tuple[UUID, ...] = ()
    device_id: str | None = None
    place_cell: str | None = None
    versions: Mapping[str, int] = {}
    keys: Mapping[Key, frozenset[str]] = {}
    debts: frozenset[UUID] | None = None
    now: datetime
    real_now: datetime

    def at(self, start: datetime) -> Question:
        """The same contact, beginning at `start`."""
        return structs.replace(self, span=Span(start, start + self.duration))

    def local_dates(self, facts: PartyFacts) -> frozenset[date]:
        """Every local date that the contact touches in any candidate zone; without one, dates by UTC."""
        zones = self.candidate_zones(facts) or ("UTC",)
        return dates_of(self.span, zones)

    def candidate_zones(self, facts: PartyFacts) -> tuple[str, ...]:
        """Every zone the person may be in: those known here and those asked for.

        Empty when nothing is known for sure.
        """
        return known_zones((*facts.zones, *self.zones)) if facts.zones else ()
