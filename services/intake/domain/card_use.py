"""What a contact card is read for: a closed list of purposes, the fields that each needs, and when it may be read.

A purpose that reaches the person needs a permit that compliance granted for this very person and channel, inside its
window (PIPL arts. 6 and 51; GDPR art. 5(1)(b) and (c)). A purpose that answers the person's own request needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from shared.events.contact import Channel

CardPurpose = Literal["visit", "call", "sms", "email", "letter", "location_inquiry", "recognition"]
RequestPurpose = Literal["access_request", "correction", "complaint"]
CardField = Literal["name", "born_on", "home", "point", "mobile", "email"]
RefusalReason = Literal["no_permit", "permit_unknown", "permit_void", "other_channel", "not_yet", "over"]

RULE: Final = "CARD-PERMIT"
CITATION: Final = "PIPL arts. 6, 51; GDPR art. 5(1)(b)-(c): personal data for a stated purpose, the least that it needs"
ALL_FIELDS: Final[frozenset[CardField]] = frozenset({"name", "born_on", "home", "point", "mobile", "email"})


@dataclass(frozen=True, slots=True)
class Use:
    """Which fields a purpose needs in clear; `channel`: of the permit that it needs, None: it needs none."""

    fields: frozenset[CardField]
    channel: Channel | None


def _use(channel: Channel | None, *fields: CardField) -> Use:
    return Use(frozenset(fields), channel)


USES: Final[dict[CardPurpose | RequestPurpose, Use]] = {
    "visit": _use("visit", "name", "home", "point"),
    "call": _use("call", "name", "mobile"),
    # The text itself names nobody: whoever holds the telephone reads it.
    "sms": _use("sms", "mobile"),
    "email": _use("email", "name", "email"),
    "letter": _use("letter", "name", "home"),
    # Where the person lives is what is asked; nothing that is known of it is told.
    "location_inquiry": _use("third_party_location", "name"),
    # Somebody is on the line and says who they are: a masked card is enough to tell.
    "recognition": _use(None),
    "access_request": Use(ALL_FIELDS, None),
    "correction": Use(ALL_FIELDS, None),
    "complaint": _use(None, "name", "mobile", "email", "home"),
}


@dataclass(frozen=True, slots=True)
class HeardPermit:
    """A permit of the person as compliance told it. Without a window it was only heard to have ended."""

    channel: str
    starts_at: datetime | None
    ends_at: datetime | None
    is_void: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a card stays shut; `earliest`: from when the same permit would open it (business time), if that is known."""

    reason: RefusalReason
    detail: str
    earliest: datetime | None = None


def refusal(use: Use, permit: HeardPermit | None, *, named: bool, now: datetime) -> Refusal | None:
    """Why the card may not be read at `now` (business time); None: it may. `named`: the reader named a permit."""
    if use.channel is None:
        return None
    if not named:
        return Refusal("no_permit", f"to reach the person by {use.channel} needs a permit; name it")
    if permit is None:
        return Refusal("permit_unknown", "no such permit of this person has been heard of; a new one takes seconds")
    if permit.is_void or permit.starts_at is None or permit.ends_at is None:
        return Refusal("permit_void", "the permit was revoked or given back")
    if permit.channel != use.channel:
        return Refusal("other_channel", f"the permit is for {permit.channel}")
    if now < permit.starts_at:
        return Refusal("not_yet", "the permit's window has not begun", permit.starts_at)
    if now >= permit.ends_at:
        return Refusal("over", "the permit's window is over")
    return None
