"""What a report of one of the bank's systems counts as, and why a record is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple
from uuid import UUID

from shared.ids import derived_id
from shared.web.problems import KnownProblem

# Clocks of two systems may differ by this much; what lies further ahead is not late but wrong.
CLOCK_SKEW: Final = timedelta(minutes=2)
ReportedChannel = Literal["call", "sms", "email", "letter", "third_party_location"]
_MESSAGES: Final[frozenset[ReportedChannel]] = frozenset({"sms", "email", "letter"})
Reached = Literal["nobody", "debtor", "household", "third_party", "unknown"]


class ContactRecordChanged(KnownProblem):
    """The same record (source and record id) was sent before with other content.

    What was recorded stays; a correction is a record of its own.
    """

    kind, status, title = "contact-record-changed", 409, "The record was sent before with other content"


class FeedNumberTaken(KnownProblem):
    """Another record of this source has the same number: a feed's numbers are gapless and used once."""

    kind, status, title = "feed-number-taken", 409, "Another record of the feed has this number"


class ContactInFuture(KnownProblem):
    """The contact begins later than now, beyond what clocks may differ: the source's clock or record is wrong."""

    kind, status, title = "contact-in-future", 422, "The contact lies in the future"


class ContactTimesContradict(KnownProblem):
    """The two times of the start cannot both be right: real time in the future, or apart from business time where both
    clocks show the same. What was known when a contact began is judged by real time, so a wrong one would excuse it.
    """

    kind, status, title = "contact-times-contradict", 422, "The times of the contact contradict each other"


def times_contradict(
    started_at: datetime, started_real: datetime | None, *, now: datetime, real_now: datetime
) -> bool:  # fmt: skip
    """Whether the real time that was told of the start cannot be: None is told by nobody and worked out here."""
    if started_real is None:
        return False
    one_clock = abs(now - real_now) <= CLOCK_SKEW
    return started_real > real_now + CLOCK_SKEW or (one_clock and abs(started_real - started_at) > CLOCK_SKEW)


class Counters(NamedTuple):
    """Four of the five counters; the attempt always counts."""

    contact: bool
    conversation: bool
    household_contacted: bool
    debtor_met: bool


def counters(channel: ReportedChannel, reached: Reached, *, conversation: bool | None) -> Counters:
    """What the outcome counts as. What is not known counts as everything that the channel can have been.

    A message that was handed over is a contact, never a conversation. An inquiry may be made by telephone or at a door.
    """
    if channel in _MESSAGES:
        return Counters(contact=True, conversation=False, household_contacted=False, debtor_met=False)
    debtor = reached in ("debtor", "unknown")
    return Counters(
        contact=reached != "nobody",
        conversation=debtor and conversation is not False,
        household_contacted=debtor or reached == "household",
        debtor_met=reached == "unknown" or (debtor and channel != "call"),
    )


def contact_id_of(tenant: str, source: str, record_id: str) -> UUID:
    """The same record is the same contact, however often it is sent."""
    return derived_id("reported-contact", tenant, source, record_id)


def feed_id_of(tenant: str, source: str) -> UUID:
    """Names the feed where an id is needed: its lock makes the batches of one feed wait for each other."""
    return derived_id("feed", tenant, source)
