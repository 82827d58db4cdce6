"""Scoring the overdue cases of a core, a range at a time, and telling what is known of one case.

A score never makes anything happen: scoring emits no event, and intends nothing but its own next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Self
from uuid import UUID

import numpy as np

from services.intake.domain.policy import DelinquencyPolicy
from services.intake.scoring.artefact import encode
from services.intake.scoring.drift import Counts, added, counts, drift
from services.intake.scoring.release import Release
from services.intake.scoring.scorecard import TARGETS
from services.intake.settings import IntakeSettings
from services.intake.store import score_features, scores
from services.intake.store.score_features import Cases, Range
from shared.database import UnitOfWork
from shared.messaging import Answer, Intent, NewIntent, TimerHandler
from shared.telemetry.metrics import count, set_gauge

SCORE_RUN: Final = "score_run"


@dataclass(frozen=True)
class Scoring:
    """Scores with one model. `batch`: cases in one transaction."""

    release: Release
    time_zone: str
    policy: DelinquencyPolicy
    batch: int

    @classmethod
    def of(cls, release: Release, settings: IntakeSettings) -> Self:
        """As the tenant has set it."""
        return cls(release, settings.time_zone, settings.policy(), settings.scoring_batch)

    async def score_range(self, uow: UnitOfWork, where: Range, *, heard: date | None) -> Cases | None:
        """Score the overdue cases of a range; None: no model is in use. In the order that correctness needs:

        1. Share the lock with other scorings: whoever erases waits, or has erased before anything is read.
        2. Clear the range: what is not overdue any more, or what a model wrote that is not in use any more, goes.
        3. Read, score, write; with the scores the model by which they can be read.
        """
        await score_features.share_scoring(uow)
        await scores.clear(uow, where)
        if self.release.not_used is not None:
            return None
        cases = await score_features.load_cases(
            uow, where, heard=heard, time_zone=self.time_zone, bucket_last_days=self.policy.last_days(uow.now.date())
        )
        if len(cases):
            await self._write(uow, cases)
        return cases

    async def _write(self, uow: UnitOfWork, cases: Cases) -> None:
        segments = cases.features.segments()
        scored = {card.target: card.apply(cases.features) for card in self.release.model.cards}
        shown = {target: np.array(self.release.shown[target])[segments] for target in TARGETS}
        await scores.keep_model(uow, encode(self.release.model).decode(), sha256=self.release.sha256)
        await scores.add(uow, cases, scored, shown, sha256=self.release.sha256)
        for target in TARGETS:
            count("doorstep.score.cases", int(shown[target].sum()), type=target, outcome="shown")
            count("doorstep.score.cases", int((~shown[target]).sum()), type=target, outcome="segment_not_shown")


@dataclass(frozen=True)
class ScoreRun(TimerHandler):
    """Intent handler: scores all cases of a core after its day close. Each step commits with the intent of the next."""

    scoring: Scoring
    kind: str = SCORE_RUN
    batch_size: int = 1

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Score one range per intent, and intend the next; after the last, record the run and its drift."""
        for intent, _ in answered:
            await self._step(uow, Progress.of(intent.payload))

    async def _step(self, uow: UnitOfWork, done: Progress) -> None:
        scoring, release = self.scoring, self.scoring.release
        heard = done.heard or await score_features.heard_since(uow, done.core, time_zone=scoring.time_zone)
        where = await score_features.next_range(uow, done.core, after=done.after, limit=scoring.batch)
        cases = await scoring.score_range(uow, where, heard=heard)
        following = replace(done, after=where.until, heard=heard, sha256=release.sha256)
        if cases is not None:
            # Bins of another model, in use when the run began, are not ours.
            before = done.counted if done.sha256 == release.sha256 else {}
            counted = added(before, counts(release.model, cases.features))
            following = replace(following, cases=done.cases + len(cases), counted=counted)
        if not where.is_last:
            uow.intend(following.intent(uow))
        elif cases is not None:
            await finish(uow, release, following)


@dataclass(frozen=True)
class Progress:
    """How far a run has come; `counted` are the bins of the cases so far by the model `sha256`, for the drift."""

    core: str
    closed_on: date
    after: UUID = score_features.FIRST
    heard: date | None = None
    sha256: str = ""
    cases: int = 0
    counted: Counts = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Any) -> Progress:
        """From an intent's payload."""
        return cls(
            core=payload["core"],
            closed_on=date.fromisoformat(payload["closed_on"]),
            after=UUID(payload["after"]),
            heard=None if payload["heard"] is None else date.fromisoformat(payload["heard"]),
            sha256=payload["sha256"],
            cases=payload["cases"],
            counted=payload["counted"],
        )

    def intent(self, uow: UnitOfWork) -> NewIntent:
        """The step that comes after this progress."""
        return NewIntent(
            kind=SCORE_RUN,
            key=f"{uow.tenant}|{self.core}|{self.closed_on}|{self.after}",
            due_at=uow.real_now,
            payload={
                "core": self.core,
                "closed_on": self.closed_on.isoformat(),
                "after": str(self.after),
                "heard": None if self.heard is None else self.heard.isoformat(),
                "sha256": self.sha256,
                "cases": self.cases,
                "counted": self.counted,
            },
        )


def first_step(uow: UnitOfWork, *, core: str, closed_on: date) -> NewIntent:
    """The intent that begins the run of a core for its closed date; once per core and date."""
    return Progress(core, closed_on).intent(uow)


async def finish(uow: UnitOfWork, release: Release, done: Progress) -> dict[str, float]:
    """Record a run with its drift; returns the drift by characteristic."""
    found = drift(release.model, done.counted)
    await scores.keep_run(
        uow, core=done.core, as_of=done.closed_on, sha256=release.sha256, cases=done.cases, drift=found
    )
    for name, index in found.items():
        set_gauge("doorstep.score.drift", index, kind=name)
    return found
