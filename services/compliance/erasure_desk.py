"""The desk of erasures: asked for, decided by a second person, carried out by deleting one key, complete on a date.

Order is the correctness: what still stands is revoked, the leaf that proves the erasure closes the person's chain, then
the key goes, all in one transaction; the event makes the other services delete theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance import announcements, duty_cause_desk, moratorium_desk
from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.complaints import Clock
from services.compliance.domain.erasures import Erasure, carried_out, clock_of_request, completed, decided
from services.compliance.domain.keeping import Holding, Reason, reasons_to_keep, today_everywhere
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.recalls import Recall
from services.compliance.erased import refuse_erased
from services.compliance.instruments import Instruments
from services.compliance.recalls import recall
from services.compliance.store import duty_causes, keeping, same_persons
from services.compliance.store import erasures as store
from services.compliance.store.debts import load_debts
from services.compliance.store.feeders import load_watermarks
from services.compliance.store.leaves import append_leaves, erase_people, load_not_renamed
from services.compliance.watch import Timer, watch
from shared.database import UnitOfWork
from shared.events.topics import TOPICS
from shared.ids import entity_id, event_id, shard_of
from shared.messaging.erasing import forget_records
from shared.messaging.retention import INBOX_KEPT, INTENTS_KEPT, OUTBOX_KEPT
from shared.telemetry.metrics import count
from shared.web.commands import RESPONSES_KEPT

WATCH: Final = "compliance.erasures_watch"
# Events, intents and stored answers are forgotten by then, wherever they lie.
TOPICS_KEEP: Final = max(
    INBOX_KEPT, INTENTS_KEPT, OUTBOX_KEPT, RESPONSES_KEPT,
    *(timedelta(days=spec.retention_days) for spec in TOPICS.values()),
)  # fmt: skip
BY_RETENTION: Final = "doorstep"
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Decided:
    """An erasure as it stands, and why it was refused."""

    erasure: Erasure
    reasons: tuple[Reason, ...] = ()


async def request(
    uow: UnitOfWork, instruments: Instruments, party_id: UUID, *, received_at: datetime, by_whom: str
) -> Decided:
    """A person asks to be erased: kept with its clock; refused at once when the records must be kept.

    The party is locked. Raises PartyErased.
    """
    await refuse_erased(uow, instruments.cipher, [party_id])
    holding = (await keeping.load_holdings(uow, [party_id]))[party_id]
    reasons = _reasons(uow, instruments, holding)
    erasure = Erasure(
        erasure_id=entity_id(shard_of(party_id)),
        party_id=party_id,
        cause="request",
        state="refused" if reasons else "requested",
        by_whom=by_whom,
        received_at=received_at,
        clock=clock_of_request(instruments.book, jurisdiction=holding.jurisdiction, received_at=received_at),
        refused_by=tuple(sorted({one.rule for one in reasons})),
    )
    await _keep(uow, instruments, [erasure])
    asked = duty_cause_desk.NewCause(
        kind="request", party_id=party_id, caused_at=received_at, reference=str(erasure.erasure_id), by_whom=by_whom,
        said={"right": "deletion"},
    )  # fmt: skip
    await duty_cause_desk.record(uow, instruments, [asked])
    return Decided(erasure, reasons)


async def carry_out(uow: UnitOfWork, instruments: Instruments, erasure: Erasure, *, by_whom: str) -> Decided:
    """A second person's decision: the person is erased, or the reasons that stand now refuse it. The party is locked.

    Raises ErasureStepRefused, SecondPersonErases; PartyErased when retention came first.
    """
    await refuse_erased(uow, instruments.cipher, [erasure.party_id])
    holding = (await keeping.load_holdings(uow, [erasure.party_id]))[erasure.party_id]
    reasons = _reasons(uow, instruments, holding)
    after = decided(erasure, reasons, by_whom=by_whom, real_now=uow.real_now, topics_keep=TOPICS_KEEP)
    if reasons:
        await _keep(uow, instruments, [after])
        return Decided(after, reasons)
    await _erase(uow, instruments, [after])
    return Decided(after)


async def erase_due(uow: UnitOfWork, instruments: Instruments, party_ids: Sequence[UUID]) -> list[Erasure]:
    """Erase people whose records nobody may keep any longer. The parties are locked, and nothing keeps them."""
    erasures = [
        Erasure(
            erasure_id=entity_id(shard_of(party_id)),
            party_id=party_id,
            cause="retention",
            state="requested",
            by_whom=BY_RETENTION,
            received_at=uow.now,
            clock=Clock(rule="RIGHTS-RETENTION", citation="GDPR art. 5(1)(e); PIPL arts. 19, 47", answer_by=uow.now),
        )
        for party_id in party_ids
    ]
    done = [carried_out(one, real_now=uow.real_now, topics_keep=TOPICS_KEEP) for one in erasures]
    await _erase(uow, instruments, done)
    return done


async def complete(uow: UnitOfWork, instruments: Instruments) -> int:
    """Say of erasures that they are complete: their date has come, and every service has heard of them since."""
    waiting = await store.load_incomplete(uow, limit=_PAGE)
    if not waiting:
        return 0
    await uow.lock_parties(one.party_id for one in waiting)
    heard = (await load_watermarks(uow)).values()
    heard_until = min(heard, default=None) if None not in heard else None  # type: ignore[type-var]
    done = [
        after
        for one in waiting
        if (after := completed(one, real_now=uow.real_now, heard_until=heard_until)) is not None
    ]
    await store.append(uow, done)
    await append_leaves(uow, instruments.cipher, [_leaf(uow, one, of_person=False) for one in done])
    await store.end_trail(uow, [one.erasure_id for one in done])
    return len(done)


async def rename_erased(uow: UnitOfWork, instruments: Instruments) -> int:
    """Give people an alias who were erased before ids went with the rest; returns how many."""
    parties = await load_not_renamed(uow, limit=_PAGE)
    if parties:
        await uow.lock_parties(parties)
        await erase_people(uow, instruments.cipher, parties)
    return len(parties)


def erasures_timer(instruments: Instruments) -> Timer:
    """Looks every ten minutes which erasures are complete."""

    async def look(uow: UnitOfWork) -> None:
        await rename_erased(uow, instruments)
        await complete(uow, instruments)

    return watch(WATCH, look)


def _reasons(uow: UnitOfWork, instruments: Instruments, holding: Holding) -> tuple[Reason, ...]:
    return reasons_to_keep(holding, instruments.book, today=today_everywhere(uow.now))


async def _erase(uow: UnitOfWork, instruments: Instruments, erasures: Sequence[Erasure]) -> None:
    """Revoke, prove, delete, tell; set-wise."""
    parties = [one.party_id for one in erasures]
    erased = [
        Recall(party_id=party_id, cause="erased", fact_arrived_real=uow.real_now, contacts=None) for party_id in parties
    ]
    await recall(uow, instruments, erased)
    await duty_cause_desk.settle(uow, instruments, dict.fromkeys(parties, uow.now), reference="erased")
    await _keep(uow, instruments, erasures)
    await store.keep_trail(uow, erasures)
    for debts in (await load_debts(uow, parties)).values():
        shared = [debt.debt_id for debt in debts if len(debt.obligors) > 1]
        moratorium_desk.follow_debts(uow, shared, arrived_real=uow.real_now)
    await duty_causes.forget(uow, dict.fromkeys(parties, uow.now))
    await same_persons.forget(uow, parties)
    await erase_people(uow, instruments.cipher, parties)
    await forget_records(uow, parties)
    for one in erasures:
        uow.emit(announcements.party_erased(one, uow.now))
        count("doorstep.people.erased", reason=one.cause)


async def _keep(uow: UnitOfWork, instruments: Instruments, erasures: Sequence[Erasure]) -> None:
    await store.append(uow, erasures)
    await append_leaves(uow, instruments.cipher, [_leaf(uow, one) for one in erasures])


def _leaf(uow: UnitOfWork, erasure: Erasure, *, of_person: bool = True) -> NewLeaf:
    """`of_person` False: the chain ended with the key, and a leaf that joined it would begin a new one."""
    until = erasure.complete_from
    public: dict[str, Json] = {
        "erasure_id": str(erasure.erasure_id),
        "version": erasure.version,
        "state": erasure.state,
        "cause": erasure.cause,
        "refused_by": list(erasure.refused_by),
        "clock": erasure.clock.rule,
        "answer_by": format_time(erasure.clock.answer_by),
        "complete_from": None if until is None else format_time(until),
    }
    return NewLeaf(
        kind="erasure",
        leaf_id=event_id(),
        party_id=erasure.party_id if of_person else None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public=public,
        committed={"by_whom": erasure.by_whom.encode()} if of_person else {},
    )
