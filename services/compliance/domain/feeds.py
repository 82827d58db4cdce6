"""Feeds: systems that report contacts. Their numbers are gapless, a total closes each day, silence closes channels."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.traces import TRACE_KINDS, TraceKind
from shared.events.contact import Channel
from shared.ids import derived_id
from shared.security.note_keys import NoteKey
from shared.web.problems import KnownProblem, Problem

# A feed reports contacts itself, or traces of contacts that others must report.
FeedKind = Literal["contacts"] | TraceKind
OF_CONTACTS: Final[frozenset[FeedKind]] = frozenset({"contacts"})
FEED_KINDS: Final[frozenset[FeedKind]] = OF_CONTACTS | TRACE_KINDS
FeedChannel = Literal["visit", "call", "sms", "email", "letter"]
_CHANNELS: Final[tuple[FeedChannel, ...]] = get_args(FeedChannel)
FEED_RULES: Final[dict[str, str]] = {
    "FEED-GAP": "Doorstep: a feed's numbers are gapless; a missing number is a contact nobody judged",
    "FEED-SILENT": "Doorstep: a feed that is silent for too long closes its channels",
    "FEED-UNCLOSED": "Doorstep: a feed closes each day with its total; without totals nobody sees its gaps",
    "FEED-UNSIGNED": "Doorstep: a feed signs its totals; an unsigned one is anybody's word and closes no day",
}
# A day's total comes on the day after it: found when half of that is over, and the channels close when all of it is.
TOTAL_EXPECTED_WITHIN: Final = timedelta(hours=36)
TOTAL_WITHIN: Final = timedelta(hours=48)
_RANGES_SHOWN: Final = 10


class FeedDayOutOfOrder(KnownProblem):
    """The feed's days close one after the other: this day, or a later one, is closed with another total."""

    kind, status, title = "feed-day-out-of-order", 409, "The feed's day is closed already"


class FeedDayNotOver(KnownProblem):
    """The day has not begun anywhere yet: its total cannot be known."""

    kind, status, title = "feed-day-not-over", 422, "The day has not begun yet"


class FeedUnknown(KnownProblem):
    """No feed of this name was declared for this: the operator declares each source before it speaks."""

    kind, status, title = "feed-unknown", 404, "No such feed was declared"


class FeedForeign(KnownProblem):
    """The feed is bound to another client: nobody else speaks for it."""

    kind, status, title = "feed-foreign", 403, "The feed is bound to another client"


class FeedTotalUnsigned(KnownProblem):
    """A feed signs its totals with a key of its own: this signature is missing, or is not of that key and total.

    The day stays unclosed, and that is a finding.
    """

    kind, status, title = "feed-total-unsigned", 403, "The total is not signed by the feed's key"


class FeedClosed(KnownProblem):  # reads as a fact at the call site
    """A named person closed the feed: nobody speaks for it until one opens it again."""

    kind, status, title = "feed-closed", 409, "The feed is closed"


class FeedOpensChannel(KnownProblem):  # reads as a fact at the call site
    """The feed's silence closes channels now, and the new terms would open one of them (`channels`).

    Let it speak and close its days, or let a named person close the feed.
    """

    kind, status, title = "feed-opens-channel", 409, "New terms would open a channel that is closed"


class FeedStepRefused(KnownProblem):
    """Only an open feed is closed, only a closed one is opened again."""

    kind, status, title = "feed-step-refused", 409, "The feed's state does not allow this step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A source: a system that reports contacts, or that knows of them. `client_id`: the client that speaks for it.

    `heard_real`: when it last said anything new, `closed_real`: until when it has closed its days (real time). Both
    begin with its declaration. `total_key`: the key (C2SP text form) with which it signs its totals; None: declared
    before each had one, so that no day of it can be closed. `ended_real`: when a person closed it.
    """

    source: str
    kind: FeedKind
    client_id: str
    channels: tuple[FeedChannel, ...]
    silent_after_hours: int
    heard_real: datetime
    closed_real: datetime
    total_key: str | None = None
    ended_real: datetime | None = None

    def is_silent(self, real_now: datetime) -> bool:
        """Whether it should have spoken by now."""
        return self.ended_real is None and real_now - self.heard_real > timedelta(hours=self.silent_after_hours)

    def owes_total(self, real_now: datetime) -> bool:
        """Whether it should have closed a day by now."""
        return self.ended_real is None and real_now - self.closed_real > TOTAL_EXPECTED_WITHIN

    def closes_channels(self, real_now: datetime) -> bool:
        """Whether nobody may be contacted on its channels for now."""
        overdue = self.ended_real is None and real_now - self.closed_real > TOTAL_WITHIN
        return self.is_silent(real_now) or overdue


def feed_channel_of(channel: Channel) -> FeedChannel | None:
    """The channel that the feed speaks of; None for an inquiry, which may be made by any means."""
    return next((one for one in _CHANNELS if one == channel), None)


def opened_by(known: Feed | None, new: Feed, *, real_now: datetime) -> list[FeedChannel]:
    """The channels that the known feed closes now and that its new terms would open."""
    if known is None or not known.closes_channels(real_now):
        return []
    still = replace(new, heard_real=known.heard_real, closed_real=known.closed_real, ended_real=known.ended_real)
    closed = set(new.channels) if still.closes_channels(real_now) else set()
    return sorted(set(known.channels) - closed)


def closed_until(day: date, *, now: datetime, real_now: datetime) -> datetime:
    """Real time until which a feed has closed its days when it closes this one now.

    Whoever closes an old day is as far behind as that day is: the last close alone would let it lag for ever.
    """
    end = datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)
    return real_now - max(now - end, timedelta())


def source_refused(feed: Feed | None, *, client_id: str, kinds: Collection[FeedKind]) -> Problem | None:
    """Why the client may not tell records of one of `kinds` for this source; None: it may."""
    if feed is None or feed.kind not in kinds:
        return FeedUnknown()
    if feed.ended_real is not None:
        return FeedClosed()
    return None if feed.client_id == client_id else FeedForeign()


def total_statement(source: str, day: date, *, last_number: int, records: int) -> bytes:
    """The bytes that a source signs: five lines."""
    return f"doorstep feed day\n{source}\n{day.isoformat()}\n{last_number}\n{records}\n".encode()


def total_refused(feed: Feed, statement: bytes, signature: str | None) -> Problem | None:
    """Why the total is not the source's own word; None: it is."""
    if feed.total_key is None:
        return FeedTotalUnsigned("the feed has no key: declare it with one")
    try:
        raw = base64.b64decode(signature or "", validate=True)
    except binascii.Error:
        return FeedTotalUnsigned()
    return None if NoteKey.parse(feed.total_key).verifies(statement, raw) else FeedTotalUnsigned()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDay:
    """The total that closes a feed's day: numbers `first_number`..`last_number`, `records` of them, says the feed."""

    source: str
    day: date
    first_number: int
    last_number: int
    records: int

    @property
    def expected(self) -> int:
        """How many records gapless numbers make."""
        return self.last_number - self.first_number + 1


def close_day(previous: FeedDay | None, *, source: str, day: date, last_number: int, records: int) -> FeedDay:
    """The day that follows the last closed one. Raises FeedDayOutOfOrder."""
    if previous is not None and (day <= previous.day or last_number < previous.last_number):
        raise FeedDayOutOfOrder(f"{previous.day} is closed at number {previous.last_number}")
    first = 1 if previous is None else previous.last_number + 1
    return FeedDay(source=source, day=day, first_number=first, last_number=last_number, records=records)


def gap_id(day: FeedDay) -> UUID:
    """The finding of the day's gaps; there is one per day."""
    return derived_id("finding", "feed-gap", day.source, day.day.isoformat())


def gap_found(day: FeedDay, *, known: int, missing: Sequence[tuple[int, int]]) -> FindingVersion | None:
    """The finding of a day whose records, total and numbers do not agree; None when they do.

    `missing` are the first ranges of numbers without a record.
    """
    if known == day.expected == day.records:
        return None
    ranges = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in missing[:_RANGES_SHOWN])
    detail = f"{day.day}: {known} of numbers {day.first_number}-{day.last_number} came, total {day.records}"
    return FindingVersion(
        finding_id=gap_id(day),
        version=1,
        finding=Finding("FEED-GAP", FEED_RULES["FEED-GAP"], "high", f"{detail}; missing {ranges or 'none'}"),
        subject=f"feed:{day.source}",
    )


def silence_found(feed: Feed) -> FindingVersion:
    """The finding of a silence; one per silence, however long it lasts."""
    detail = f"nothing heard for {feed.silent_after_hours} hours; closed: {', '.join(feed.channels)}"
    return FindingVersion(
        finding_id=derived_id("finding", "feed-silent", feed.source, feed.heard_real.isoformat()),
        version=1,
        finding=Finding("FEED-SILENT", FEED_RULES["FEED-SILENT"], "high", detail),
        subject=f"feed:{feed.source}",
    )


def total_owed(feed: Feed) -> FindingVersion:
    """The finding of a feed that closes no days; one per standstill, however long it lasts."""
    hours = int(TOTAL_EXPECTED_WITHIN.total_seconds() // 3600)
    detail = f"no day was closed for {hours} hours; closes: {', '.join(feed.channels)}"
    return FindingVersion(
        finding_id=derived_id("finding", "feed-unclosed", feed.source, feed.closed_real.isoformat()),
        version=1,
        finding=Finding("FEED-UNCLOSED", FEED_RULES["FEED-UNCLOSED"], "high", detail),
        subject=f"feed:{feed.source}",
    )


def unsigned_id(source: str, day: date) -> UUID:
    """The finding of a day whose total came unsigned."""
    return derived_id("finding", "feed-unsigned", source, day.isoformat())


def unsigned_found(source: str, day: date) -> FindingVersion:
    """The finding of a total that the feed did not sign: the day stays unclosed."""
    return FindingVersion(
        finding_id=unsigned_id(source, day),
        version=1,
        finding=Finding("FEED-UNSIGNED", FEED_RULES["FEED-UNSIGNED"], "high", f"the total of {day} is not signed"),
        subject=f"feed:{source}",
    )
