"""The law of the worlds' four places, written from its words: ../regulation catalogue and permits decisions.

Nothing here is read from the rule packs or calls the services: what both say alike has been said twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

COLLECTING = frozenset({"collection", "appointment_admin"})
UNASKED = COLLECTING | {"plan_service"}
ALL_BUT_SAFETY = UNASKED | {"customer_requested", "reply", "statutory_notice"}
EVERY_CHANNEL = frozenset({"visit", "call", "sms", "email", "letter", "third_party_location"})
_TICK = timedelta(microseconds=1)
EARTHS_ENDS = ("Pacific/Kiritimati", "Etc/GMT+12")
"""Where a date begins first and ends last: who may be anywhere is in both."""
_PERSON, _NUMBER, _DEBT, _HOME = (frozenset({one}) for one in ("person", "number", "debt", "home"))


class Reserved(Protocol):
    """A contact or a permit as the limits see it."""

    @property
    def channel(self) -> str: ...
    @property
    def purpose(self) -> str: ...


class About(NamedTuple):
    """What a contact is about: with whom, about which of their debts, in which home, through which number if known."""

    person: UUID
    debts: frozenset[UUID]
    home: str
    number: str | None

    def one_by_one(self) -> list[About]:
        """The same about each debt alone: so many are allowed on each."""
        return [self._replace(debts=frozenset({debt})) for debt in self.debts] or [self]


@dataclass(frozen=True)
class Hours:
    """Contact only inside these minutes of the person's local day, from arrival to departure."""

    channels: frozenset[str]
    opens: int
    closes: int
    weekend_opens: int | None = None
    agreed: str | None = None
    """The name under which the person may agree to other hours; None: nobody may."""

    def bounds(self, day: date) -> tuple[int, int]:
        """Opening and closing minute of that date."""
        return (
            self.weekend_opens if self.weekend_opens is not None and day.weekday() >= 5 else self.opens
        ), self.closes


@dataclass(frozen=True)
class Limit:
    """At most `most` contacts of one sort. `dates`: in so many consecutive local dates; None: from date to date of so
    many `months`. `since`: in force for contacts from that date on."""

    name: str
    channels: frozenset[str]
    purposes: frozenset[str]
    sort: str
    most: int
    dates: int | None
    since: date = date.min
    until: date = date.max
    passable: bool = False
    months: int = 1
    on: frozenset[str] = _PERSON
    """What is limited: contacts with one person, about one debt, with one home, through one number. Without `person`
    contacts with everybody who shares it count."""

    def counts(self, one: Reserved) -> bool:
        """Whether it counts that contact."""
        return self.may_count(one) and (self.sort == "attempt" or bool(getattr(one, self.sort)))

    def may_count(self, reserved: Reserved) -> bool:
        """Whether a contact that is only reserved may count: its outcome is unknown, so it counts as everything."""
        return reserved.channel in self.channels and reserved.purpose in self.purposes

    def concerns(self, one: About, other: About) -> bool:
        """Whether contacts about these count together on it: nothing that it is on differs. A number that nobody named
        may be any, and so the debt where none is owed; somebody else's contacts must surely share something."""
        same_person = one.person == other.person
        if "person" in self.on and (not same_person or len(self.on) == 1):
            return same_person
        alike = {
            "debt": bool(one.debts & other.debts) if one.debts and other.debts else None,
            "home": one.home == other.home,
            "number": one.number == other.number if one.number and other.number else None,
        }
        found = [alike[thing] for thing in self.on if thing != "person"]
        return False not in found and (same_person or True in found)

    def looks_back_to(self, day: date) -> date:
        """The first date whose contacts count together with one on that date."""
        first = day - timedelta(days=31 * self.months if self.dates is None else self.dates - 1)
        while self.dates is None and day >= month_after(first, self.months):
            first += timedelta(days=1)
        return first

    def in_force(self, day: date) -> bool:
        """Whether contacts on that date are counted by it."""
        return self.since <= day < self.until


def _h(hour: int, minute: int = 0) -> int:
    return hour * 60 + minute


_VISIT, _CALL, _SMS = frozenset({"visit"}), frozenset({"call"}), frozenset({"sms"})
_EMAIL = frozenset({"email"})
_NOW = _VISIT | _CALL | _SMS | _EMAIL  # a letter has no hour
_CBA_2026 = date(2026, 1, 30)
_SMS_POLICY = Hours(_SMS, _h(9), _h(20))
_SMS_STRICTER = Hours(_SMS, _h(10), _h(18))

HOURS: dict[str, tuple[Hours, ...]] = {
    # GB/T 45251-2025 cl. 5.3 and the CBA guide: not from 22:00 to 08:00 unless agreed otherwise.
    "CN": (Hours(_NOW, _h(8), _h(22), agreed="CN-HOURS"),),
    # 12 CFR 1006.6(b)(1): 8 to 21, unless the consumer agrees; 209 CMR 18.17(6): visits 8 to 21.
    "US-MA": (Hours(_NOW, _h(8), _h(21), agreed="US-HOURS"), Hours(_VISIT, _h(8), _h(21))),
    # CONC 7.9: no contact at unreasonable times; read as 8 to 21.
    "GB": (Hours(_NOW, _h(8), _h(21)),),
    # RG 96 s.4(a): calls 7:30 to 21, weekends 9 to 21; visits 9 to 21. It says nothing of e-mail: the bank's own hours.
    "AU-VIC": (
        Hours(_CALL, _h(7, 30), _h(21), weekend_opens=_h(9)),
        Hours(_VISIT, _h(9), _h(21)),
        Hours(_EMAIL, _h(9), _h(20)),
    ),
}
# Soft law whose number is the bank's: a supervisor may pass it.
SEVEN_CONTACTS = "CBA 2026: seven contacts in seven dates"
THREE_VISITS_OR_TEXTS = "Reg. F: three visits or texts in seven dates"
_WRITTEN_OR_CALLED = EVERY_CHANNEL - _VISIT - {"third_party_location"}
_BANK = (
    Limit("bank: one visit in 30 dates", _VISIT, frozenset({"collection"}), "attempt", 1, 30),
    Limit("bank: one message a date", _SMS, COLLECTING, "attempt", 1, 1),
    Limit("bank: three messages in 7 dates", _SMS, COLLECTING, "attempt", 3, 7),
)
LIMITS: dict[str, tuple[Limit, ...]] = {
    "CN": (
        *_BANK,
        Limit("GB/T 45251: three effective calls a day", _CALL, COLLECTING, "conversation", 3, 1),
        Limit(
            "CBA 2026: six unanswered calls a day", _CALL, COLLECTING, "unanswered", 6, 1, since=_CBA_2026, on=_NUMBER
        ),
        Limit(SEVEN_CONTACTS, EVERY_CHANNEL, COLLECTING, "contact", 7, 7, since=_CBA_2026, passable=True),
    ),
    "US-MA": (
        *_BANK,
        Limit("Reg. F: seven calls in seven dates", _CALL, ALL_BUT_SAFETY, "attempt", 7, 7, on=_PERSON | _DEBT),
        Limit(
            "Reg. F: seven dates after a conversation, day 1", _CALL, ALL_BUT_SAFETY, "conversation", 1, 7,
            on=_PERSON | _DEBT,
        ),
        Limit(THREE_VISITS_OR_TEXTS, _VISIT | _SMS, ALL_BUT_SAFETY, "attempt", 3, 7, passable=True),
        Limit(
            "209 CMR 18.17: household met once in 30 dates", _VISIT, ALL_BUT_SAFETY, "household_contacted", 1, 30,
            on=_HOME | _DEBT,
        ),
        Limit(
            "940 CMR 7.04: two calls or texts in seven dates", _CALL | _SMS, ALL_BUT_SAFETY, "attempt", 2, 7, on=_DEBT
        ),
    ),
    "GB": _BANK,
    "AU-VIC": (
        *_BANK,
        Limit(
            "RG 96: three contacts a week, visits left out", _WRITTEN_OR_CALLED, ALL_BUT_SAFETY, "contact", 3, 7,
            on=_DEBT,
        ),
        Limit(
            "RG 96: ten contacts a month, visits left out", _WRITTEN_OR_CALLED, ALL_BUT_SAFETY, "contact", 10, None,
            on=_DEBT,
        ),
        Limit("RG 96: debtor met once a month", _VISIT, ALL_BUT_SAFETY, "debtor_met", 1, None),
        Limit(
            "RG 96 s.15: a plan reviewed once in three months", _NOW | {"letter"}, frozenset({"plan_service"}),
            "contact", 1, None, months=3,
        ),
    ),
}  # fmt: skip

# Which purposes a stop keeps away, whatever the place; a person's own contact on request passes the milder ones.
STOPS: dict[str, frozenset[str]] = {
    "deceased": ALL_BUT_SAFETY,
    "insolvency": ALL_BUT_SAFETY,
    "minor": ALL_BUT_SAFETY,
    "represented": UNASKED,
    "cease_contact": UNASKED,
    "channel_opt_out": UNASKED,
    "stop_request": COLLECTING,
    "dispute": COLLECTING,
    "complaint": COLLECTING,
    "hardship": COLLECTING,
    "breathing_space": COLLECTING,
    "mental_health_crisis": COLLECTING,
    "ombudsman": COLLECTING,
    "debt_advice": COLLECTING,
    "vulnerability": COLLECTING,
    "disaster": COLLECTING,
    "plan_active": COLLECTING,
    "cured": COLLECTING,
}
# Stricter words of one place: an agency in the US reaches the represented through the attorney, and so on.
_STRICTER: dict[tuple[str, str, str], frozenset[str]] = {
    **{("US-MA", "represented", channel): ALL_BUT_SAFETY for channel in EVERY_CHANNEL},
    **{("US-MA", "channel_opt_out", channel): ALL_BUT_SAFETY for channel in EVERY_CHANNEL},
    **{("US-MA", "stop_request", channel): UNASKED for channel in EVERY_CHANNEL},
    **{("AU-VIC", "represented", channel): ALL_BUT_SAFETY for channel in EVERY_CHANNEL},
    **{("AU-VIC", "channel_opt_out", channel): ALL_BUT_SAFETY for channel in EVERY_CHANNEL},
    ("GB", "vulnerability", "visit"): ALL_BUT_SAFETY,
    ("AU-VIC", "vulnerability", "visit"): ALL_BUT_SAFETY,
}
# Two people see that these are over.
TWO_PEOPLE = frozenset({"deceased", "cease_contact", "vulnerability"})
# What the record of a contact must show: proof → (place, channels, in force from).
PROOFS: dict[str, dict[str, frozenset[str]]] = {
    "identity": {"CN": _VISIT},
    "recording": {"CN": _VISIT | _CALL},
    "entry": {"CN": _VISIT, "US-MA": _VISIT, "GB": _VISIT},
    "leaving": {"GB": _VISIT, "AU-VIC": _VISIT},
    "disclosure": {"CN": EVERY_CHANNEL, "US-MA": EVERY_CHANNEL, "GB": EVERY_CHANNEL},
}
# A wish about times and channels binds: 12 CFR 1006.6(b)(1), 1006.14(h); CONC 7.9.4.
WISHES_BIND = frozenset({"US-MA", "GB"})
# RG 96 s.4(a): no calls or visits on national public holidays. China's statutory days off: the bank's own caution.
DAYS_OFF: dict[str, frozenset[date]] = {
    place: frozenset(map(date.fromisoformat, days))
    for place, days in {
        "AU-VIC": (
            "2025-12-25", "2025-12-26", "2026-01-01", "2026-01-26", "2026-04-03", "2026-04-05", "2026-04-06",
            "2026-04-25", "2026-12-25", "2026-12-26", "2026-12-28", "2027-01-01", "2027-01-26",
        ),
        "CN": (
            "2025-10-01", "2025-10-02", "2025-10-03", "2025-10-06", "2026-01-01", "2026-02-16", "2026-02-17",
            "2026-02-18", "2026-02-19", "2026-04-05", "2026-05-01", "2026-05-02", "2026-06-19", "2026-09-25",
            "2026-10-01", "2026-10-02", "2026-10-03", "2027-01-01", "2027-02-05", "2027-02-06", "2027-02-07",
            "2027-02-08",
        ),
    }.items()
}  # fmt: skip
# The guide of the China Banking Association: two people at the door, badges, whole recordings.
CBA_GUIDE_SINCE = _CBA_2026
MISCONDUCT: dict[str, dict[str, frozenset[str]]] = {
    "threat": {"CN": EVERY_CHANNEL, "GB": _VISIT},
    "loitering": {"AU-VIC": _VISIT},
    "calling_card": {"GB": EVERY_CHANNEL},
}

# A moratorium on a debt reaches whoever is liable for it together with the person (permits.md, Holds).
MORATORIA = frozenset({"insolvency", "breathing_space", "mental_health_crisis"})


class Scoped(Protocol):
    """What a stop is on: of scope `loan` one debt, of `contact_point` one number."""

    @property
    def kind(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def debt(self) -> UUID | None: ...
    @property
    def number(self) -> str | None: ...


def stopped(
    place: str, stop: Scoped, channel: str, purpose: str, *, debts: frozenset[UUID] | None, number: str | None
) -> bool:
    """Whether such a stop keeps a contact about these debts, through that number, away; None: nobody said.

    What nobody said may be what the stop is on.
    """
    kind, scope = stop.kind, stop.scope
    if scope == "visit_channel" and channel != "visit":
        return False
    if scope == "loan" and debts is not None and stop.debt not in debts:
        return False
    if scope == "contact_point" and (channel not in ("call", "sms") or number not in (None, stop.number)):
        return False
    if scope == "collection" and purpose not in COLLECTING:
        return False
    return purpose in STOPS[kind] or purpose in _STRICTER.get((place, kind, channel), frozenset())


def hours_of(place: str, channel: str, purpose: str, *, stricter: bool) -> list[Hours]:
    """The hours that bind such a contact; `stricter`: the bank's newer policy is in force on its date."""
    if purpose == "safety":
        return []
    found = [one for one in HOURS[place] if channel in one.channels]
    if channel == "sms":
        found.append(_SMS_STRICTER if stricter else _SMS_POLICY)
    return found


@lru_cache(maxsize=4_096)
def limits_on(
    place: str, days: frozenset[date], stricter_from: date | None, channel: str, purpose: str
) -> tuple[Limit, ...]:
    """The limits for such a contact on those dates. From `stricter_from` on the bank visits once in 45 dates."""
    found = [one for one in LIMITS[place] if any(one.in_force(day) for day in days)]
    if stricter_from is not None and max(days) >= stricter_from:
        found.insert(0, Limit("bank: one visit in 45 dates", _VISIT, frozenset({"collection"}), "attempt", 1, 45))
    return tuple(one for one in found if channel in one.channels and purpose in one.purposes)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local(moment: datetime, zone: str) -> datetime:
    """The wall clock there."""
    return moment.astimezone(_zone(zone))


@lru_cache(maxsize=4_096)
def dates_of(start: datetime, end: datetime, zones: tuple[str, ...]) -> frozenset[date]:
    """The local dates on which it begins and on which its last moment lies, in every zone."""
    last = max(start, end - _TICK)
    return frozenset(local(moment, zone).date() for zone in zones for moment in (start, last))


def inside(day: date, opens: int, closes: int, start: datetime, end: datetime, zone: str) -> bool:
    """Whether [start, end) lies inside these minutes of that local date. The wall clock decides, whatever it does.

    Half-open: it may end exactly when the hours close.
    """
    begin, finish = local(start, zone), local(end, zone)
    return begin.date() == day and begin >= _at(day, opens, zone) and finish <= _at(day, closes, zone)


def overlaps(day: date, opens: int, closes: int, start: datetime, end: datetime, zone: str) -> bool:
    """Whether [start, end) shares a moment with these minutes of that local date."""
    return local(start, zone) < _at(day, closes, zone) and _at(day, opens, zone) < local(end, zone)


def day_off(place: str, channel: str, purpose: str, dates: Iterable[date]) -> bool:
    """Whether nobody is visited or called on one of the dates."""
    bound = ALL_BUT_SAFETY if place == "AU-VIC" else COLLECTING
    return channel in ("visit", "call") and purpose in bound and not DAYS_OFF.get(place, frozenset()).isdisjoint(dates)


def visit_after_failure(place: str, channel: str, purpose: str) -> bool:
    """RG 96 s.7(a),(g): whether a visit must follow a call or letter that failed."""
    return place == "AU-VIC" and channel == "visit" and purpose in ALL_BUT_SAFETY


def _at(day: date, minute: int, zone: str) -> datetime:
    midnight = datetime.combine(day, time(), tzinfo=_zone(zone))
    return midnight + timedelta(minutes=minute)  # of the wall clock: a zone's datetimes add as its clock shows


def busiest(dates: frozenset[date], others: Sequence[frozenset[date]], window: int | None, *, months: int = 1) -> int:
    """How many of the others lie together with it in the fullest window. An event on two dates is on both."""
    most = 0
    lasts = {day for one in others for day in one} | set(dates)
    for last in lasts:
        within = [day for day in dates if _together(day, last, window, months)]
        if within:
            most = max(most, sum(1 for one in others if any(_together(day, last, window, months) for day in one)))
    return most


def _together(day: date, last: date, window: int | None, months: int) -> bool:
    """Whether `day` lies in the window that ends with `last`."""
    if day > last:
        return False
    if window is not None:
        return (last - day).days < window
    return last < month_after(day, months)


def month_after(day: date, months: int = 1) -> date:
    """The same date so many months later; where that month has none, the first of the month after."""
    year, month = day.year + (day.month + months - 1) // 12, (day.month + months - 1) % 12 + 1
    try:
        return date(year, month, day.day)
    except ValueError:
        return date(year + month // 12, month % 12 + 1, 1)


def utc(day: date) -> datetime:
    """Its first moment in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)
