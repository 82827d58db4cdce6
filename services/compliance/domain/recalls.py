"""Recalls: a later fact forbids contacts from now on; which permits it revokes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args
from uuid import UUID

from services.compliance.domain.hold_scopes import covers, may_cover
from services.compliance.domain.holds import COLLECTING, Hold
from services.compliance.domain.packs import ALL_CHANNELS, RuleBook
from services.compliance.domain.permits import Permit, revoke
from shared.events.contact import Channel, Purpose

Contacts = frozenset[tuple[Channel, Purpose]]
COLLECTION: Final[Contacts] = frozenset((channel, purpose) for channel in ALL_CHANNELS for purpose in COLLECTING)
VISITS: Final[Contacts] = frozenset(("visit", purpose) for purpose in get_args(Purpose) if purpose != "safety")
"""Of somebody who lives elsewhere: whoever lives there now would be visited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A fact that forbids contacts with a party from now on. `contacts` None: all but those for safety."""

    party_id: UUID
    cause: str
    fact_arrived_real: datetime
    contacts: Contacts | None = COLLECTION
    permit_ids: frozenset[UUID] | None = None
    """Only these permits, whatever their channel and purpose; None: all that `contacts` names."""
    citation: str | None = None
    """Of the rule that is the cause, where a rule is."""
    hold: Hold | None = None
    """The hold that is the cause: of the contacts named it forbids those that its scope includes."""

    def forbids(self, permit: Permit) -> bool:
        """Whether the permit may not be used any more."""
        if self.permit_ids is not None:
            return permit.permit_id in self.permit_ids
        if self.contacts is None:
            return permit.purpose != "safety"
        scoped = self.hold is None or covers(
            self.hold, permit.channel, permit.purpose, debts=permit.debts, keys=permit.keys
        )  # fmt: skip
        return scoped and (permit.channel, permit.purpose) in self.contacts


def recall_of(hold: Hold, book: RuleBook, *, fact_arrived_real: datetime) -> Recall:
    """What a new hold recalls: the contacts that a rule of any place keeps away and its scope includes."""
    contacts: Contacts = frozenset(
        (channel, purpose) for channel, purpose in book.blocked_by(hold.kind) if may_cover(hold, channel, purpose)
    )
    return Recall(
        party_id=hold.party_id, cause=hold.kind, fact_arrived_real=fact_arrived_real, contacts=contacts, hold=hold
    )


def channels_held(hold: Hold, book: RuleBook) -> list[Channel] | None:
    """The only channels on which it keeps collection away, sorted; None: all of them."""
    kept_away = {
        channel
        for channel, purpose in book.blocked_by(hold.kind)
        if purpose in COLLECTING and may_cover(hold, channel, purpose)
    }
    return None if kept_away == set(ALL_CHANNELS) else sorted(kept_away)


def revoked_by(
    recalls: Sequence[Recall], permits: Iterable[Permit], *, now: datetime, real_now: datetime
) -> list[tuple[Permit, Recall]]:
    """The permits that the facts forbid, revoked; the first fact that forbids a permit is its cause."""
    revoked: list[tuple[Permit, Recall]] = []
    for permit in permits:
        cause = next((one for one in recalls if one.party_id == permit.party_id and one.forbids(permit)), None)
        if cause is None or not permit.recallable(now=now):
            continue
        arrived = cause.fact_arrived_real
        # Never before the fact: clocks of two hosts may differ by more than the event took.
        after = revoke(permit, cause=cause.cause, fact_arrived_real=arrived, real_now=max(real_now, arrived))
        revoked.append((after, cause))
    return revoked
