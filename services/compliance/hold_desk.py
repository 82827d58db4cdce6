"""Placing and ending holds.

The hold, its leaf, its event, and the recall of every permit it forbids, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from services.compliance import announcements, fact_desk, hindsight, moratorium_desk, sharing_desk
from services.compliance.domain.hold_scopes import scope_key_of_debt, scope_key_of_point
from services.compliance.domain.holds import (
    Hold,
    HoldKind,
    HoldScope,
    Need,
    covers,
    end_by,
    ended,
    lawful_end,
    same_source,
)
from services.compliance.domain.leaves import LeafKind, NewLeaf
from services.compliance.domain.recalls import recall_of
from services.compliance.domain.shown_holds import COMPLAINED, ShownHold, reaching_holds, to_collections
from services.compliance.instruments import Instruments
from services.compliance.recalls import recall
from services.compliance.schemas.holds import PlaceHold
from services.compliance.store import holds as store
from services.compliance.store.debts import load_debts
from services.compliance.store.leaves import append_leaves
from services.compliance.store.moratoria import load_reaching
from services.compliance.store.same_persons import load_same
from services.compliance.watch import Timer
from shared.database import UnitOfWork
from shared.ids import entity_id, event_id, shard_of
from shared.messaging import Intent
from shared.messaging.intents import NewIntent
from shared.security.party_keys import Plain

REASON = "hold.sealed_reason"
ENDS: Final = "compliance.holds_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHold:
    """A hold to be placed. `fact_arrived_real`: when its fact reached our topic or API."""

    party_id: UUID
    kind: HoldKind
    scope: HoldScope
    scope_key: str = ""
    valid_from: datetime
    valid_to: datetime | None = None
    source_ref: str
    fact_arrived_real: datetime
    reason: str | None = None
    need: Need | None = None
    review_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndHolds:
    """Which open holds of a party end, and why: those of the kind and source.

    A source that had several attempts (a plan's signing) names its holds `source:attempt`; they all end.
    """

    party_id: UUID
    kind: HoldKind
    source_ref: str
    cause: str

    def names(self, hold: Hold) -> bool:
        """Whether the hold is one of them."""
        of_source = hold.source_ref == self.source_ref or hold.source_ref.startswith(f"{self.source_ref}:")
        return of_source and hold.kind == self.kind and hold.ended_at is None


def asked_for(body: PlaceHold, instruments: Instruments, *, arrived_real: datetime) -> NewHold:
    """The hold that a caller asks for; a contact point only as a commitment."""
    return NewHold(
        party_id=body.party_id,
        kind=body.kind,
        scope=body.scope,
        scope_key=_scope_key(body, instruments),
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        source_ref=body.source_ref,
        fact_arrived_real=arrived_real,
        reason=body.reason,
        need=body.need,
        review_by=body.review_by,
    )


async def place(uow: UnitOfWork, instruments: Instruments, new: Sequence[NewHold]) -> list[Hold]:
    """Place the holds; one that stands already (same party, scope, kind, source) is returned as it is.

    One that is over by itself, or ends before the one told now would, makes way for it: contact stays away between.
    Parties are locked.
    """
    standing = await store.load_holds(uow, {one.party_id for one in new}) if new else {}
    holds: list[Hold] = []
    fresh: list[tuple[Hold, NewHold]] = []
    for one in new:
        known = standing.setdefault(one.party_id, [])
        hold = same_source(
            known, kind=one.kind, scope=one.scope, scope_key=one.scope_key, source_ref=one.source_ref
        )  # fmt: skip
        told = _hold(one, uow)
        is_kept = hold is not None and all(hold is not each for each, _ in fresh)
        if hold is not None and is_kept and not covers(hold, until=told.valid_to, now=uow.now):
            since = told.valid_from if hold.until is None or hold.until <= uow.now else uow.now
            told = replace(told, valid_from=min(told.valid_from, since))
            known.remove(hold)
            await _end(uow, instruments, [store.EndedHold(ended(hold, at=uow.now), "told_again")])
            hold = None
        if hold is None:
            hold = told
            known.append(hold)
            fresh.append((hold, one))
        holds.append(hold)
    reasons = await _sealed_reasons(uow, instruments, fresh)
    await store.insert_holds(uow, [(hold, reasons.get(hold.hold_id)) for hold, _ in fresh])
    await append_leaves(uow, instruments.cipher, [_leaf(hold, uow) for hold, _ in fresh])
    for hold, one in fresh:
        arrived = one.fact_arrived_real
        uow.emit(announcements.hold_placed(hold, instruments.book, uow.now, arrived_real=arrived))
    recalls = [recall_of(hold, instruments.book, fact_arrived_real=one.fact_arrived_real) for hold, one in fresh]
    await recall(uow, instruments, recalls)
    await hindsight.judge_under_holds(uow, instruments, [hold for hold, _ in fresh])
    await moratorium_desk.follow_holds(uow, [(hold, one.fact_arrived_real) for hold, one in fresh])
    reached = [(hold.party_id, hold.valid_from, one.fact_arrived_real) for hold, one in fresh]
    await sharing_desk.follow_other_ids(uow, reached)
    return holds


async def end(uow: UnitOfWork, instruments: Instruments, ends: Sequence[EndHolds]) -> list[Hold]:
    """End the open holds that are named; those that ended before stay as they are. The parties are locked.

    Of a person with several ids those of all of them: the word that ends a hold may come under another one. Whoever has
    locked one person never locks a second, so a hold of an id that is not locked ends by an intent, at once.
    """
    parties = {one.party_id for one in ends}
    same = await load_same(uow, parties) if ends else {}
    standing = await store.load_holds(uow, parties, same=same) if ends else {}
    named = [(one, hold) for one in ends for hold in standing.get(one.party_id, []) if one.names(hold)]
    over = [store.EndedHold(ended(hold, at=uow.now), one.cause) for one, hold in named if hold.party_id in uow.locked]
    for one, hold in named:
        if hold.party_id not in uow.locked:
            _intend_end(uow, hold, one.cause)
    await _end(uow, instruments, over)
    return [one.hold for one in over]


def ends_timer(instruments: Instruments) -> Timer:
    """Ends the very holds of an id that was not locked when the word came under another id of the person."""

    async def look(uow: UnitOfWork, intents: Sequence[Intent]) -> None:
        await uow.lock_parties(UUID(intent.payload["party_id"]) for intent in intents)
        for intent in intents:
            hold = await store.find_hold(uow, UUID(intent.payload["hold_id"]))
            if hold is not None and hold.ended_at is None:
                over = store.EndedHold(ended(hold, at=uow.now), intent.payload["cause"])
                await _end(uow, instruments, [over])

    return Timer(ENDS, look)


def _intend_end(uow: UnitOfWork, hold: Hold, cause: str) -> None:
    payload = {"hold_id": str(hold.hold_id), "party_id": str(hold.party_id), "cause": cause}
    uow.intend(NewIntent(kind=ENDS, key=str(hold.hold_id), due_at=uow.real_now, payload=payload))


async def end_one(
    uow: UnitOfWork, instruments: Instruments, hold: Hold, *, by_whom: str, cause: str, evidence: str | None
) -> Hold:
    """A person says that this hold ends; one that ended before stays as it is. The party is locked.

    Raises HoldOfComplaint, HoldEndNeedsEvidence, SecondPersonEndsHold.
    """
    after = end_by(hold, by_whom, evidence=evidence, at=uow.now)
    if after is hold:
        return hold
    if after.ended_at is None:
        await store.ask_end(uow, after, evidence=evidence)
        await append_leaves(uow, instruments.cipher, [_asked_leaf(after, uow, cause=cause, evidence=evidence)])
        return after
    await _end(uow, instruments, [store.EndedHold(after, cause, by_whom, evidence)])
    return after


async def _end(uow: UnitOfWork, instruments: Instruments, over: Sequence[store.EndedHold]) -> None:
    await store.end_holds(uow, over)
    await append_leaves(uow, instruments.cipher, [_end_leaf(one, uow) for one in over])
    plainly = await store.told_plainly(uow, [one.hold.hold_id for one in over]) if over else set()
    for one in over:
        told = one.hold.hold_id in plainly
        uow.emit(announcements.hold_ended(one.hold, instruments.book, uow.now, plainly=told))
    await fact_desk.hear_completed(uow, [one.hold.party_id for one in over if one.hold.kind == "facts_incomplete"])
    await moratorium_desk.follow_holds(uow, [(one.hold, uow.real_now) for one in over])


async def list_shown(
    uow: UnitOfWork, *, party_id: UUID | None, due_for_review: bool, whole: bool,
    after: tuple[datetime, UUID] | None, limit: int,
) -> list[ShownHold]:  # fmt: skip
    """The open holds after that place, the oldest first: of one party also those that reach it through shared debts.

    `whole` False: as collections are shown them.
    """
    own = await store.list_open(
        uow,
        party_id=party_id,
        due_for_review=due_for_review,
        without=() if whole else COMPLAINED,
        after=after,
        limit=limit,
    )
    found = [ShownHold(hold) for hold in own]
    if party_id is not None and not due_for_review:
        debts = await load_debts(uow, [party_id], same=await load_same(uow, [party_id]))
        reaching = (await load_reaching(uow, debts)).get(party_id, [])
        standing = [one for one in reaching if one.until is None or one.until > uow.now]
        found += [one for one in reaching_holds(standing) if after is None or one.place > after]
    shown = [one if whole else to_collections(one) for one in sorted(found, key=lambda one: one.place)[:limit]]
    return [one for one in shown if one is not None]


def _scope_key(body: PlaceHold, instruments: Instruments) -> str:
    """What the scope names, the contact point only as a commitment."""
    if body.debt_id is not None:
        return scope_key_of_debt(body.debt_id)
    point = body.contact_point
    if point is None:
        return ""
    commitment = (
        instruments.address_commitment(point.value, point.place_cell)
        if point.kind == "address"
        else instruments.contact_point_commitment(point.value)
    )
    return scope_key_of_point(point.kind, commitment)


def _hold(new: NewHold, uow: UnitOfWork) -> Hold:
    return Hold(
        hold_id=entity_id(shard_of(new.party_id)),
        party_id=new.party_id,
        kind=new.kind,
        scope=new.scope,
        scope_key=new.scope_key,
        valid_from=new.valid_from,
        valid_to=lawful_end(new.kind, valid_from=new.valid_from, valid_to=new.valid_to),
        source_ref=new.source_ref,
        recorded_real=uow.real_now,
        need=new.need,
        review_by=new.review_by,
    )


async def _sealed_reasons(
    uow: UnitOfWork, instruments: Instruments, fresh: Sequence[tuple[Hold, NewHold]]
) -> dict[UUID, bytes]:
    told = [(hold.hold_id, Plain(hold.party_id, REASON, one.reason)) for hold, one in fresh if one.reason]
    sealed = await instruments.cipher.seal_many(uow, [plain for _, plain in told])
    return {hold_id: value for (hold_id, _), value in zip(told, sealed, strict=True)}


def _end_leaf(over: store.EndedHold, uow: UnitOfWork) -> NewLeaf:
    said = {"by_whom": over.by_whom, "evidence": over.evidence, "asked_by": over.hold.end_asked_by}
    return _leaf(over.hold, uow, cause=over.cause, said=said)


def _asked_leaf(hold: Hold, uow: UnitOfWork, *, cause: str, evidence: str | None) -> NewLeaf:
    return _leaf(
        hold, uow, kind="hold_end_asked", cause=cause, said={"by_whom": hold.end_asked_by, "evidence": evidence}
    )


def _leaf(
    hold: Hold, uow: UnitOfWork, *, kind: LeafKind | None = None, cause: str | None = None,
    said: Mapping[str, str | None] = MappingProxyType({}),
) -> NewLeaf:  # fmt: skip
    return NewLeaf(
        kind=kind or ("hold" if cause is None else "hold_end"),
        leaf_id=event_id(),
        party_id=hold.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"hold_id": str(hold.hold_id), "hold_kind": hold.kind, "scope": hold.scope, "cause": cause},
        committed={
            "source_ref": hold.source_ref.encode(),
            **({"scope_key": hold.scope_key.encode()} if hold.scope_key else {}),
            **{name: text.encode() for name, text in said.items() if text is not None},
        },
    )
