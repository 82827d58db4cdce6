"""From a stored score to what the API shows: a number with its reasons, or a typed answer why there is none."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from uuid import UUID

from services.intake.score_schemas import (
    AvailableScore,
    CaseScore,
    ScoreAnswer,
    ScoreModel,
    ScoreReason,
    UnavailableBecause,
    UnavailableScore,
)
from services.intake.scoring.artefact import Model, decode, model_hash
from services.intake.scoring.features import SEGMENTS
from services.intake.scoring.release import Release
from services.intake.scoring.scorecard import NO_REASON, TARGETS, Target
from services.intake.store.scores import KeptScore, ScoredCase

_DETAILS: Final[dict[UnavailableBecause, str]] = {
    "not_overdue": "Nothing is past due.",
    "not_scored_yet": "The next scoring follows the next day close of the core.",
    "segment_not_shown": "In this segment the model was not shown to know more than the base rate.",
    "demonstration_only": "The model is for demonstration; production runs rules until the bank's own is approved.",
    "not_backtested": "The model was not back-tested on the bank's own history.",
    "not_approved": "Fewer than two people have signed the model and its back-test.",
    "no_randomised_controls": "Needs cases left alone, or not visited, by lot; the bank's data hold none.",
}
_CITATION: Final = "docs/model-card.md"


def score_of(case_id: UUID, found: ScoredCase, release: Release) -> CaseScore:
    """What may be said of a case."""
    score = found.score
    why: UnavailableBecause | None = None
    if release.not_used is not None:
        why = release.not_used
    elif not found.is_open:
        why = "not_overdue"
    elif score is None:
        why = "not_scored_yet"
    answers: dict[Target, ScoreAnswer] = {
        target: _answer(target, score) if why is None and score is not None else _unavailable(why or "not_scored_yet")
        for target in TARGETS
    }
    told = score if why is None else None
    return CaseScore(
        case_id=case_id,
        as_of=None if told is None else told.as_of,
        scored_at=None if told is None else told.scored_at,
        segment=None if told is None else SEGMENTS[told.segment],
        model=None if told is None else _model(told),
        cure=answers["cure"],
        roll=answers["roll"],
        payment=answers["payment"],
        without_contact=_unavailable("no_randomised_controls"),
        recovery=_unavailable("no_randomised_controls"),
        uplift=_unavailable("no_randomised_controls"),
    )


def _answer(target: Target, score: KeptScore) -> ScoreAnswer:
    kept = score.answers.get(target)
    if kept is None:
        return _unavailable("segment_not_shown")
    return AvailableScore(probability=round(kept.probability, 4), points=kept.points, reasons=reasons_of(target, score))


def reasons_of(target: Target, score: KeptScore) -> list[ScoreReason]:
    """What counted most in an answer of the score. Raises KeyError when it does not have that answer."""
    card = _decoded(score.model).card(target)
    reasons = [card.reason(number) for number in score.answers[target].reasons if number != NO_REASON]
    return [ScoreReason(code=one.code, points=one.points) for one in reasons]


def _unavailable(why: UnavailableBecause) -> UnavailableScore:
    return UnavailableScore(because=why, detail=_DETAILS[why], citation=_CITATION)


def _model(score: KeptScore) -> ScoreModel:
    model = _decoded(score.model)
    return ScoreModel(version=model.version, sha256=model_hash(score.model.encode()), purpose=model.purpose)


@lru_cache(maxsize=8)
def _decoded(content: str) -> Model:
    return decode(content.encode())
