"""The desk of the daily sample: seeds committed before their day ends, draws after it, judgements by second persons."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Final
from uuid import UUID

from services.compliance import finding_desk
from services.compliance.domain.canonical import Json
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.leaves import LeafKind, NewLeaf
from services.compliance.domain.samples import (
    DRAW_AFTER,
    OwnDecision,
    Sample,
    SampleJudged,
    SampleVerdict,
    commitment_of,
    disagreement,
    seed_found_late,
    size_of,
    span_of,
)
from services.compliance.instruments import Instruments
from services.compliance.store import samples as store
from services.compliance.store.audits import find_decision
from services.compliance.store.dossiers import find_override
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import derived_id, event_id
from shared.messaging.intents import NewIntent
from shared.security.party_keys import PartyCipher
from shared.telemetry.metrics import set_gauge

WATCH: Final = "compliance.samples_watch"
REASON: Final = "sample_judgement.sealed_reason"
_SEED_BYTES: Final = 32
_DAY: Final = timedelta(days=1)
# After a long stop the days that were missed are drawn look by look.
_DAYS_AT_ONCE: Final = 31
# Bank policy: a second person has three days.
_JUDGED_WITHIN: Final = timedelta(days=3)


async def keep_up(uow: UnitOfWork, instruments: Instruments) -> None:
    """Commit the seeds of today and tomorrow, and draw the days that are over."""
    await uow.lock_parties([derived_id("samples", uow.tenant)])
    today = uow.now.astimezone(UTC).date()
    await _commit_seeds(uow, instruments, [today, today + _DAY])
    for day in await _days_to_draw(uow):
        await _draw(uow, instruments, day)
    due = span_of(today).end + DRAW_AFTER
    uow.intend(NewIntent(kind=WATCH, key=f"draw/{today}", due_at=due, clock="business"))


async def count_waiting(uow: UnitOfWork) -> None:
    """Say how many samples wait too long for a second person."""
    waiting_since = (uow.now - _JUDGED_WITHIN).astimezone(UTC).date()
    set_gauge("doorstep.samples.waiting", await store.count_waiting(uow, before=waiting_since))


async def judge(
    uow: UnitOfWork, instruments: Instruments, kept: store.KeptSample, verdict: SampleVerdict, *, reason: str,
    by_whom: str,
) -> store.KeptSample:  # fmt: skip
    """Record what a second person says; a disagreement opens a finding. The party is locked.

    Raises SampleJudged, OwnDecision.
    """
    if kept.verdict is not None:
        raise SampleJudged()
    if by_whom in await _deciders(uow, instruments.cipher, kept.sample):
        raise OwnDecision()
    sample = kept.sample
    finding = disagreement(sample, by_whom=by_whom, reason=reason) if verdict == "disagree" else None
    leaf = _judgement_leaf(uow, sample, verdict, finding, by_whom=by_whom, reason=reason)
    await store.insert_judgement(
        uow,
        sample.sample_id,
        verdict,
        by_whom=by_whom,
        finding_id=None if finding is None else finding.finding_id,
        sealed_reason=await instruments.cipher.seal(uow, sample.party_id, REASON, reason),
        leaf_id=leaf.leaf_id,
    )
    await append_leaves(uow, instruments.cipher, [leaf])
    await finding_desk.record(uow, instruments, [] if finding is None else [finding])
    after = await store.find_sample(uow, sample.sample_id)
    return kept if after is None else after


async def _commit_seeds(uow: UnitOfWork, instruments: Instruments, days: Sequence[date]) -> None:
    known = await store.load_seeds(uow, days)
    for day in days:
        if day not in known:
            seed = secrets.token_bytes(_SEED_BYTES)
            leaf = _leaf(uow, "sample_seed", {"day": day.isoformat(), "commitment": commitment_of(seed)})
            await store.insert_seed(uow, day, seed, leaf_id=leaf.leaf_id)
            await append_leaves(uow, instruments.cipher, [leaf])


async def _days_to_draw(uow: UnitOfWork) -> list[date]:
    drawn = await store.load_last_drawn(uow)
    first = drawn + _DAY if drawn is not None else await store.load_first_day(uow)
    days: list[date] = []
    while first is not None and span_of(first).end + DRAW_AFTER <= uow.now and len(days) < _DAYS_AT_ONCE:
        days.append(first)
        first += _DAY
    return days


async def _draw(uow: UnitOfWork, instruments: Instruments, day: date) -> None:
    decisions = await store.count_population(uow, "decision", day)
    overrides = await store.count_population(uow, "override", day)
    if day not in await store.load_seeds(uow, [day]):
        # Nobody committed to it in time: what is drawn now could have been chosen, and that is said.
        await _commit_seeds(uow, instruments, [day])
        await finding_desk.record(uow, instruments, [seed_found_late(day)] if decisions or overrides else [])
    seed = (await store.load_seeds(uow, [day]))[day]
    drawn = await store.draw(uow, "decision", day, seed, size=size_of("decision", decisions))
    passed = await store.draw(uow, "override", day, seed, size=size_of("override", overrides))
    leaf = _leaf(
        uow,
        "sample_draw",
        {
            "day": day.isoformat(),
            "seed": seed.hex(),
            "decisions": _drawn_document(decisions, drawn),
            "overrides": _drawn_document(overrides, passed),
        },
    )
    samples = [*drawn, *passed]
    await store.insert_draw(uow, day, samples, decisions=decisions, overrides=overrides, leaf_id=leaf.leaf_id)
    await append_leaves(uow, instruments.cipher, [leaf])


def _drawn_document(population: int, samples: Sequence[Sample]) -> Json:
    return {"population": population, "drawn": [str(one.subject_id) for one in samples]}


async def _deciders(uow: UnitOfWork, cipher: PartyCipher, sample: Sample) -> set[str]:
    """Who passed a rule for it: the supervisor of the override, or of the overrides that the decision rests on."""
    if sample.kind == "override":
        overrides = [sample.subject_id]
    else:
        found = await find_decision(uow, cipher, sample.subject_id)
        values = [] if found is None else [one["values"] for one in found.told().get("rules", [])]
        overrides = [UUID(one["evidence"]) for one in values if one.get("overridden_by") == "supervisor"]
    kept = [await find_override(uow, override_id) for override_id in overrides]
    return {one.by_whom for one in kept if one is not None}


def _judgement_leaf(
    uow: UnitOfWork, sample: Sample, verdict: SampleVerdict, finding: FindingVersion | None, *, by_whom: str,
    reason: str,
) -> NewLeaf:  # fmt: skip
    return NewLeaf(
        kind="sample_judgement",
        leaf_id=event_id(),
        party_id=sample.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "sample_id": str(sample.sample_id),
            "sample_kind": sample.kind,
            "subject_id": str(sample.subject_id),
            "verdict": verdict,
            "finding_id": None if finding is None else str(finding.finding_id),
        },
        committed={"by_whom": by_whom.encode(), "reason": reason.encode()},
    )


def _leaf(uow: UnitOfWork, kind: LeafKind, public: dict[str, Json]) -> NewLeaf:
    return NewLeaf(
        kind=kind, leaf_id=event_id(), party_id=None, occurred_at=uow.now, recorded_at=uow.real_now, public=public
    )
