"""What truly happened in a world, as an observer outside writes it down. It knows nothing of the services' code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

FRESHNESS_LIMIT = timedelta(seconds=120)
"""F: a device whose revocation list is older refuses to begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A debtor. With two `zones` nobody knows in which of them the person is.

    `debts`: those they are liable for; one of them another debtor of the world may be liable for as well. `home`:
    debtors of one place may live together.
    """

    party_id: UUID
    name: str
    place: str
    zones: tuple[str, ...]
    history_known_from: date
    debts: tuple[UUID, ...]
    home: str
    numbers: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A person lives elsewhere from `since` on (business time); it reached us and was handled at these real times."""

    party_id: UUID
    since: datetime
    reached_real: datetime
    recorded_real: datetime
    place: str
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A person lives in another home from `since` on (business time), under the same law: it reached us and was
    handled.
    """

    party_id: UUID
    since: datetime
    reached_real: datetime
    recorded_real: datetime
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A debt of the person is another creditor's: that reached us and was handled at these real times."""

    party_id: UUID
    debt: UUID
    reached_real: datetime
    recorded_real: datetime


@dataclass(slots=True, kw_only=True)
class Merge:
    """Two people were found to be one, and perhaps two again: each word reached us and was handled at real times.

    While they are one, the survivor's case stands for both and the other is closed.
    """

    survivor: UUID
    merged: UUID
    reached_real: datetime
    recorded_real: datetime
    parted_reached: datetime | None = None
    parted_real: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Contact:
    """A contact or attempt that was made. `start` and `end` are business time, `start_real` is real time.

    `honest`: made by the protocol, on a permit that the device or dialler had checked. `told_real` is when its record
    reached compliance first (None: never), `use_told_real` when the use of its permit did.
    """

    contact_id: UUID
    party_id: UUID
    permit_id: UUID | None
    subject_id: UUID
    channel: str
    purpose: str
    start: datetime
    end: datetime
    start_real: datetime
    crew: frozenset[UUID]
    contact: bool
    conversation: bool
    household_contacted: bool
    debtor_met: bool
    identity_shown: bool = True
    recording_complete: bool = True
    entered_home: bool = False
    entry_consented: bool = False
    asked_to_leave: bool = False
    left_when_asked: bool = False
    disclosed: bool = False
    conduct: str | None = None
    honest: bool = False
    told_real: datetime | None = None
    use_told_real: datetime | None = None
    imported: bool = False
    """Another system told of it at a cut-over: it counts, on every date that it can have been, and nobody judges it."""

    @property
    def unanswered(self) -> bool:
        """Whether nobody was reached."""
        return not self.contact


@dataclass(slots=True, kw_only=True)
class Stop:
    """A fact that keeps contact away, with its own source. `words`: who said when that it is over.

    `reached_real`: it reached our topic or API; `recorded_real` and `recorded_at` (business
    time): compliance had handled it. `closed_at` is the business
    time at which the complaint behind it was closed.
    """

    party_id: UUID
    source: str
    kind: str
    scope: str
    since: datetime
    until: datetime | None
    reached_real: datetime
    recorded_real: datetime
    recorded_at: datetime
    words: list[tuple[str, datetime]] = field(default_factory=list)
    closed_at: datetime | None = None
    debt: UUID | None = None
    number: str | None = None


@dataclass(slots=True, kw_only=True)
class Grant:
    """A permit as it was published. `debts`: those that were named, None: all; `number`: the one that was named.

    `watermark_real`: up to when compliance had handled everything as it decided; `released_real`: its holder gave it
    back; `void_since_real`: a fact reached us that revoked it, and `revoked_real` when that was published.
    """

    permit_id: UUID
    party_id: UUID
    subject_id: UUID
    channel: str
    purpose: str
    crew: frozenset[UUID]
    start: datetime
    end: datetime
    asked_at: datetime
    asked_real: datetime
    watermark_real: datetime
    debts: frozenset[UUID] | None
    number: str | None
    released_real: datetime | None = None
    void_since_real: datetime | None = None
    revoked_real: datetime | None = None
    revoked_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One refusing rule as the answer named it."""

    rule: str
    sort: str
    citation: str
    at: datetime | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that was not granted, and what the answer said.

    `kept`: whether, asked again at once for the earliest moment that was named, it was granted (None: nobody asked
    again). `replaces`: the permit in whose place it was asked.
    """

    party_id: UUID
    channel: str
    purpose: str
    start: datetime
    end: datetime
    asked_at: datetime
    asked_real: datetime
    watermark_real: datetime
    answer: str
    reasons: tuple[Reason, ...]
    at: datetime | None
    after: str | None
    debts: frozenset[UUID] | None
    number: str | None
    kept: bool | None = None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Hours of the day that a person agreed to beyond the law's, or a supervisor's leave to pass a soft cap.

    `limit` names what may be passed; it acts from `start` to `end`, business time.
    """

    party_id: UUID
    limit: str
    start: datetime
    end: datetime
    given_real: datetime
    opens_minute: int | None = None
    closes_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A person wants no contact on a channel in these minutes of the day; it takes the place of earlier wishes."""

    party_id: UUID
    channel: str
    opens_minute: int
    closes_minute: int
    since: datetime
    reached_real: datetime
    recorded_real: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A person asked to be contacted on a channel."""

    party_id: UUID
    channel: str
    since: datetime
    recorded_real: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the audit found of a contact in the end: sorts of rules broken, on the facts then known and now known."""

    conduct: frozenset[str]
    harm: frozenset[str]


@dataclass(slots=True)
class History:
    """Everything of one world that the checker looks at. `stricter_from`: since when the bank is stricter, by
    rules released at `released_real`;
    `turns_real`: when outstanding permits were judged again for a change of the rules."""

    seed: int
    people: dict[UUID, Person] = field(default_factory=dict)
    contacts: dict[UUID, Contact] = field(default_factory=dict)
    stops: list[Stop] = field(default_factory=list)
    grants: dict[UUID, Grant] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    exceptions: list[Leave] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    merge: Merge | None = None
    verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    leaves: dict[UUID, list[bytes]] = field(default_factory=dict)
    stricter_from: date | None = None
    released_real: datetime | None = None
    turns_real: list[datetime] = field(default_factory=list)
    events: list[tuple[datetime, str]] = field(default_factory=list)

    def tell(self, moment: datetime, text: str) -> None:
        """A line of the story."""
        self.events.append((moment, text))
